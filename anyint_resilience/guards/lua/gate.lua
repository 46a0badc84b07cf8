-- The gate's steps. Twin of guards/gate.py, which gives the reasons; opening.lua comes before it.
-- Must not know any key, clock or script. Verdicts are maps with the names of the tuples there; `ring` is a list.

do
    local LEASE, PROBE_LEASE = 1200, 60
    local MAX_HINT = 31 * 86400 -- of policy/times.py
    local RATES, USED_UP = { 1, 2, 20, 1, 0 }, { 5, 2, 60, 0.5, 0 }
    local MOVED = { "until", "shut", "after", "spaced", "queued", "cut", "heard", "won", "probed" }

    local function opened(now)
        return {
            cause = "", ["until"] = 0, shut = 0, won = 0, streak = 0, bad = 0, limit = null, goal = null,
            counts = false, named = false, probe = 0, prober = "", probed = 0, spread = 0, gap = 0,
            spaced = 0, after = 0, queued = 0, out = {}, line = {}, cut = now, heard = now, at = now,
        }
    end

    -- The state for now, to be changed: without leases that lapsed; where the clock went back its times too.
    local function fresh(state, now)
        if state == nil then
            return opened(now)
        end
        local back = math.min(0, now - state.at)
        local held, out, line = copy(state), {}, {}
        for _, name in ipairs(MOVED) do
            held[name] = state[name] + back
        end
        if state.probe ~= 0 then
            held.probe = state.probe + back
        end
        for name, lapses in pairs(state.out) do -- a map has no order here: each one is looked at
            if lapses + back > now then
                out[name] = lapses + back
            end
        end
        local first = 1
        while state.line[first] and state.line[first][3] + back < now do -- whoever is behind goes when it is the head
            first = first + 1
        end
        for index = first, #state.line do
            local it = state.line[index]
            line[index - first + 1] = back == 0 and it or { it[1] + back, it[2], it[3] + back }
        end
        held.at, held.out, held.line = now, out, line
        return held
    end

    -- By bytes, which is Python's order; that of < depends on the server's locale.
    local function lower(one, other)
        for index = 1, math.min(#one, #other) do
            local a, b = string.byte(one, index), string.byte(other, index)
            if a ~= b then
                return a < b
            end
        end
        return #one < #other
    end

    -- Where a ticket stands (from 1), or nil; and where it would.
    local function place(line, since, ticket)
        local low, high = 1, #line + 1
        while low < high do
            local middle = math.floor((low + high) / 2)
            local it = line[middle]
            if it[1] < since or (it[1] == since and lower(it[2], ticket)) then
                low = middle + 1
            else
                high = middle
            end
        end
        if line[low] and line[low][2] == ticket then
            return low, low
        end
        for index, it in ipairs(line) do -- the clock may have gone back
            if it[2] == ticket then
                return index, low
            end
        end
        return nil, low
    end

    local function without(held, ticket)
        local rest = {}
        for _, it in ipairs(held.line) do
            if it[2] ~= ticket then
                rest[#rest + 1] = it
            end
        end
        held.line = rest
    end

    -- Who is at the head of the line, but this one.
    local function head(held, but)
        for _, it in ipairs(held.line) do
            if it[2] ~= but then
                return { it[2] }
            end
        end
        return {}
    end

    -- From when on a ticket may go, as far as that stands, and what it waits for.
    local function when(held, now, a, most)
        local line, limit, room = held.line, some(held.limit), most or FAR
        if limit ~= nil and held.cause ~= "down" then
            room = math.min(room, math.max(1, limit))
        end
        local ahead = line[1] ~= nil and line[1][2] ~= a.ticket
        if now < held["until"] and not (ahead and held.cause == "down") then
            local found = place(line, a.since, a.ticket) or #line + 1
            local spread = held.spread / math.max(1, #line)
            return held["until"] + (found - 1 + (a.u or 0)) * spread, held.cause
        end
        if ahead or size(held.out) + 1 > room then
            return FAR, held.cause == "" and "full" or held.cause
        end
        return line[1] ~= nil and held.after or now, held.cause
    end

    local function passage(held, kind, at, why, but)
        return held, { kind = kind, at = at, why = why, ring = head(held, but) }
    end

    -- Let an attempt go: it has a permit; the next in line comes a little later.
    local function gone(held, now, a)
        local was, u = #held.line, a.u or 0
        if was > 0 then
            held.queued = now
        end
        without(held, a.ticket)
        held.out[a.ticket] = now + (a.lease or LEASE)
        if held.cause == "down" then -- it is the probe; the next one follows whether or not this one has come back
            local before = opening.goal(held) / opening.MORE
            held["until"] = now + opening.pause(opening.probing(before), held.streak, u)
            held.streak = held.streak + 1
        end
        if held.spread ~= 0 and was > 0 then
            held.gap, held.spaced, held.spread = held.spread / was, now + held.spread, 0
        end
        if #held.line > 0 and now < held.spaced then -- whoever came meanwhile is held up by the limit alone
            held.after = now + held.gap * (0.5 + u)
        else
            held.gap, held.after = 0, 0
        end
        return passage(held, "go", now, held.cause, "")
    end

    -- Now and then one call finds out if a quota is used up still. Nil: the moment that was named has come.
    local function ask_used_up(held, now, a, most)
        if held.named and now >= held["until"] then
            held.cause = held.cause == "quota" and "" or held.cause
            held.streak, held.named, held.probe = 0, false, 0
            return nil
        end
        without(held, a.ticket)
        local out = held.out[held.prober] ~= nil and now < held.probed + PROBE_LEASE
        if now < held.probe or out or (most ~= nil and size(held.out) >= most) then
            local at = held.named and held["until"] or math.max(now, held.probe)
            return passage(held, "refuse", at, held.cause, "")
        end
        held.probe = now + opening.pause(USED_UP, held.streak, a.u or 0)
        held.streak, held.prober, held.probed = held.streak + 1, a.ticket, now
        held.out[a.ticket] = now + (a.lease or LEASE)
        return passage(held, "go", now, held.cause, "")
    end

    steps["gate.ask"] = function(state, now, a)
        local most, keep = some(a.most), some(a.keep)
        if state == nil and most == nil then
            return nil, { kind = "go", at = 0, why = "", ring = {} }
        end
        local held, bound = fresh(state, now), math.min(a.bound, now + MAX_HINT)
        held.counts = held.counts or most ~= nil
        if held.probe ~= 0 then
            local known, said = ask_used_up(held, now, a, most)
            if known ~= nil then
                return known, said
            end
        end
        if now < held["until"] and held["until"] > bound then
            without(held, a.ticket)
            return passage(held, "refuse", held["until"], held.cause, a.ticket)
        end
        local at, why = when(held, now, a, most)
        if at <= now then
            return gone(held, now, a)
        end
        if bound <= now then
            without(held, a.ticket)
            return passage(held, "refuse", at, why, a.ticket)
        end
        local lapses = keep == nil and bound or math.min(bound, now + keep)
        local found, free = place(held.line, a.since, a.ticket)
        if found ~= nil then
            held.line[found] = { held.line[found][1], a.ticket, lapses }
        else
            table.insert(held.line, free, { a.since, a.ticket, lapses })
            at, why = when(held, now, a, most) -- it may be the head now
            if at <= now then
                return gone(held, now, a)
            end
        end
        held.queued = now
        return held, { kind = "wait", at = math.min(at, bound), why = why, ring = {} }
    end

    -- What a step that does not ask leaves: nothing, if there is nothing to remember.
    local function over(held, now, shut, again)
        local said = { shut = shut, opened = again, ring = head(held, "") }
        if opening.quiet(held, now) then
            return nil, said
        end
        return held, said
    end

    local function nothing()
        return nil, { shut = "", opened = false, ring = {} }
    end

    steps["gate.told"] = function(state, now, a)
        local kind = a.kind
        if state == nil and (kind == "good" or kind == "other") then
            return nothing()
        end
        local held = fresh(state, now)
        if held.out[a.ticket] ~= nil then
            held.out[a.ticket] = a.stays and now + (a.lease or LEASE) or nil
        end
        local was = held.cause
        if kind == "good" then
            opening.grown(held, now, a.began)
        elseif kind == "other" then
            if held.cause == "down" then
                held["until"] = math.min(held["until"], now) -- it answers: who comes next may find out more
            end
        else
            local pace = kind == "quota" and USED_UP or a.pace or RATES
            opening.shut(held, now, kind, a.began, a.flying or 0, some(a.hint), pace, a.few or 2, a.u or 0)
        end
        local closed = held.shut == now and kind ~= "good" and held.cause or ""
        return over(held, now, closed, was ~= "" and held.cause == "")
    end

    steps["gate.leave"] = function(state, now, a)
        if state == nil then
            return nothing()
        end
        local held = fresh(state, now)
        without(held, a.ticket)
        held.out[a.ticket] = nil
        return over(held, now, "", false)
    end

    steps["gate.renew"] = function(state, now, a)
        if state == nil then
            return nil, 0
        end
        local held, there = fresh(state, now), {}
        for _, it in ipairs(a.tickets) do
            if held.out[it] ~= nil then
                held.out[it], there[it] = now + a.lease, true
            end
        end
        return held, size(there)
    end

    steps["gate.settle"] = function(state, now)
        if state == nil then
            return nothing()
        end
        return over(fresh(state, now), now, "", false)
    end
end
