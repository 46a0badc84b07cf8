-- The circuit breaker's steps. Twin of guards/breaker.py, which gives the reasons.
-- Must not know what a failure is, nor any key, clock or script. A slot is a list: its number, good ones, bad ones.

do
    local SLOTS, LEASE = 10, 60

    -- Python's a // b for b > 0: the quotient of what is left when the remainder is taken away, so that a number right
    -- below a multiple of b is not rounded up to it.
    local function floored(a, b)
        local rest = math.fmod(a, b)
        local whole = (a - rest) / b
        if rest < 0 then
            whole = whole - 1
        end
        return math.floor(whole + 0.5)
    end

    -- The state for now. Where the clock went back, so do the times in it.
    local function shifted(state, now)
        local back, held = math.min(0, now - state.at), copy(state)
        held.at = now
        if back < 0 then
            held.open = state.open ~= 0 and state.open + back or 0
            held.since, held.probes = state.since + back, {}
            for name, lapses in pairs(state.probes) do
                held.probes[name] = lapses + back
            end
        end
        return held
    end

    -- Copies of the slots that count still, and the number of the one that is now.
    local function in_window(slots, now, window)
        local number, kept = floored(now, window / SLOTS), {}
        for _, it in ipairs(slots) do
            if number - SLOTS < it[1] and it[1] <= number then
                kept[#kept + 1] = { it[1], it[2], it[3] }
            end
        end
        return kept, number
    end

    -- The window's slots with one outcome, and so many good ones more.
    local function counted(slots, now, window, good, more)
        local kept, number = in_window(slots, now, window)
        if #kept == 0 or kept[#kept][1] ~= number then
            kept[#kept + 1] = { number, 0, 0 }
        end
        local last = kept[#kept]
        local column = good and 2 or 3
        last[column] = last[column] + 1
        last[2] = last[2] + more
        return kept
    end

    local function cooled(now, a)
        return now + a.cooldown * (1 + 0.1 * a.u)
    end

    -- An attempt of before it opened says nothing new; one success of after it closes it, one failure opens it anew.
    local function told_open(held, now, a)
        if a.began < held.since then
            held.probes = copy(held.probes)
            held.probes[a.ticket] = nil
            return held, ""
        end
        if a.good then
            return nil, "closed"
        end
        held.open, held.since, held.probes = math.max(held.open, cooled(now, a)), now, {}
        return held, ""
    end

    steps["breaker.ask"] = function(state, now, a)
        if state == nil or state.open == 0 then
            return state, { go = true, at = 0, probe = false }
        end
        local held, out, many, first = shifted(state, now), {}, 0, FAR
        if now < held.open then
            return held, { go = false, at = held.open, probe = false }
        end
        for name, lapses in pairs(held.probes) do
            if lapses > now then
                out[name], many, first = lapses, many + 1, math.min(first, lapses)
            end
        end
        held.probes = out
        if out[a.ticket] == nil and many >= a.probes then
            return held, { go = false, at = first, probe = false }
        end
        out[a.ticket] = now + LEASE
        return held, { go = true, at = 0, probe = true }
    end

    steps["breaker.told"] = function(state, now, a)
        if state == nil and a.good then
            return nil, ""
        end
        local held = { slots = {}, window = a.window, open = 0, since = 0, probes = {}, at = now }
        if state ~= nil then
            held = shifted(state, now)
        end
        if held.open ~= 0 then
            return told_open(held, now, a)
        end
        local slots, bad, total = counted(held.slots, now, a.window, a.good, a.more or 0), 0, 0
        for _, it in ipairs(slots) do
            bad, total = bad + it[3], total + it[2] + it[3]
        end
        if bad == 0 then
            return nil, ""
        end
        if total >= a.least and bad >= a.failure_rate * total then
            held.slots, held.open, held.since, held.probes = {}, cooled(now, a), now, {}
            return held, "opened"
        end
        held.slots, held.window = slots, a.window
        return held, ""
    end

    steps["breaker.leave"] = function(state, now, a)
        if state == nil or state.probes[a.ticket] == nil then
            return state, ""
        end
        local held = shifted(state, now)
        held.probes = copy(held.probes)
        held.probes[a.ticket] = nil
        return held, ""
    end

    steps["breaker.settle"] = function(state, now)
        if state == nil then
            return nil, ""
        end
        if state.open ~= 0 then
            local probing = false
            for _, lapses in pairs(state.probes) do
                probing = probing or lapses > now
            end
            if now > state.open + LEASE and not probing then
                return nil, ""
            end
            return state, ""
        end
        for _, it in ipairs(in_window(state.slots, now, state.window)) do
            if it[3] ~= 0 then
                return state, ""
            end
        end
        return nil, ""
    end
end
