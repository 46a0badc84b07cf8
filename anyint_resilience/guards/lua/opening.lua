-- How a gate closes and opens, and how many it lets fly at once. Twin of guards/opening.py, which gives the reasons.
-- Must not know tickets or places in a line. It changes the state that it is given, which is a copy.

local opening = {}

do
    local CUT, LONG, RESUME, MORE, CALM = 0.7, 300, 0.5, 1.25, 60
    local FORGET, LINGER, HIGHEST, SOONEST, LATEST = 60, 1, 4096, 0.25, 6
    local HINT_SPREAD, HINT_SPREAD_MAX = 0.1, 1 -- of policy/backoff.py

    opening.MORE = MORE

    -- A pace is a list, as JSON has it: base, factor, most, spread, least.
    function opening.pause(pace, streak, u)
        local share = 1 - pace[4] * (1 - u)
        return pace[5] + scheduled(pace[1], pace[2], pace[3], streak + 1, share)
    end

    function opening.probing(goal)
        local base = math.max(SOONEST, LATEST / math.max(1, goal) ^ 2)
        return { base, 2, 2 * base, 0.5, 0 }
    end

    -- How many were out before an outage, and a little more.
    function opening.goal(held)
        local goal = some(held.goal)
        if goal == nil or goal == 0 then
            return 1
        end
        return goal
    end

    local function unused(held, now, limit)
        return #held.line == 0 and now - held.cut >= CALM and (size(held.out) + 1) * 2 <= limit
    end

    local function reopened(held, at)
        held["until"], held.cause, held.streak, held.probe, held.named = at, "", 0, 0, false
    end

    function opening.grown(held, now, began)
        held.bad, held.heard, held.won = 0, now, now
        if (held.cause == "down" or held.cause == "quota") and began >= held.shut then
            if held.cause == "down" then
                held.limit = math.max(1, opening.goal(held) * RESUME)
            end
            reopened(held, now)
            held.spread = 0
        elseif held.cause == "rate" and (now >= held["until"] or held.probe ~= 0) and began >= held.shut then
            reopened(held, math.min(held["until"], now))
        end
        local limit, goal = some(held.limit), some(held.goal)
        if limit == nil or now < held["until"] then
            return
        end
        local slow = goal ~= nil and limit < goal
        if #held.line > 0 or size(held.out) + 1 >= limit / 2 then
            limit = math.min(HIGHEST, limit + (slow and 1 or 1 / limit))
        end
        local waits = #held.line > 0 or now - held.queued < LINGER
        local over = goal ~= nil and limit >= goal and not waits
        if over or unused(held, now, limit) then
            held.limit, held.goal = null, null
        else
            held.limit = limit
        end
    end

    local function down(held, now, flying, few, u)
        held.bad = held.bad + 1
        local free = held.cause == "" or (held.cause == "rate" and now >= held["until"])
        if free and held.bad >= few then
            local most = math.max(size(held.out) + 1, flying, some(held.limit) or 0)
            held.cause, held.shut, held.streak, held.spread = "down", now, 1, 0
            held.goal, held["until"] = most * MORE, now + opening.pause(opening.probing(most), 0, u)
        end
    end

    local function quota(held, now, hint, pause)
        local at = now + pause
        held.cause, held.shut, held["until"], held.named, held.spread = "quota", now, at, hint ~= nil, 0
        held.probe = hint == nil and at or math.min(at, now + CALM)
    end

    local function spent(held, now, pause)
        if held.cause == "" then
            held.cause, held.shut, held.named = "rate", now, false
            held.spread = math.min(HINT_SPREAD * pause, HINT_SPREAD_MAX)
        end
        if held.cause == "rate" then
            held["until"] = math.max(held["until"], now + math.min(pause, LONG))
        end
    end

    local function rate(held, now, began, flying, hint, pace, pause)
        local limit = some(held.limit)
        if limit == nil or held.cut <= began then
            local most = limit or math.max(size(held.out) + 1, flying)
            held.limit, held.cut, held.goal = math.min(HIGHEST, math.max(1, most * CUT)), now, null
        end
        local serves = hint == nil and pace[5] == 0 and held.won > held.shut and held.shut > 0
        held.cause, held.shut = "rate", now
        if serves then
            return
        end
        held.streak, held.named = held.streak + 1, false
        held.spread = math.min(HINT_SPREAD * pause, HINT_SPREAD_MAX)
        held["until"] = math.max(held["until"], now + pause)
        held.probe = 0
        if pause > LONG then
            held.probe, held.named = now + CALM, true
        end
    end

    -- hint: nil or seconds.
    function opening.shut(held, now, kind, began, flying, hint, pace, few, u)
        held.heard = now
        if kind == "spent" then
            opening.grown(held, now, began)
        end
        local old = held.cause ~= "" and began < held.shut
        local pause = hint or opening.pause(pace, held.streak, u)
        if kind == "down" then
            down(held, now, flying, few, u)
        elseif kind == "quota" then
            quota(held, now, hint, pause)
        elseif kind == "spent" then
            spent(held, now, pause)
        elseif old and held.cause ~= "down" then
            if hint ~= nil and held.cause == "rate" then
                held["until"] = math.max(held["until"], now + hint)
            end
        else
            rate(held, now, began, flying, hint, pace, pause)
        end
    end

    function opening.quiet(held, now)
        local out, unlimited = next(held.out) ~= nil, held.limit == null
        if #held.line > 0 or now < held["until"] or (held.counts and out) then
            return false
        end
        if held.cause == "rate" and unlimited then
            return true
        end
        if now - held.heard >= FORGET and not out then
            return true
        end
        return unlimited and held.cause == "" and held.bad == 0
    end
end
