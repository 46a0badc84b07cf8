-- The retry budget's steps. Twin of guards/budget.py, which gives the reasons.
-- Must not know why something is sent again, nor any key, clock or script.

do
    local RECENT, REFILL = 10, 60

    -- The state as it is now: successes fade, the reserve comes back. A clock that went back changes nothing.
    local function faded(state, now, reserve, ratio)
        if state == nil then
            return { tokens = reserve, good = 0, at = now }
        end
        local passed, tokens = math.max(0, now - state.at), state.tokens
        local good = state.good * math.exp(-passed / RECENT)
        if tokens < reserve then
            tokens = math.min(reserve, tokens + passed * reserve / REFILL)
        end
        return { tokens = math.max(0, math.min(tokens, reserve + ratio * good)), good = good, at = now }
    end

    local function earned(state, now, a)
        local held = faded(state, now, a.reserve, a.ratio)
        held.good = held.good + a.good
        held.tokens = math.min(held.tokens + a.ratio * a.good, a.reserve + a.ratio * held.good)
        return held
    end

    steps["budget.earn"] = function(state, now, a)
        local held = earned(state, now, a)
        return held, held.tokens
    end

    steps["budget.spend"] = function(state, now, a)
        local held, cost = earned(state, now, a), a.cost or 1
        if held.tokens < cost + (a.keep or 0) then
            return held, false
        end
        held.tokens = held.tokens - cost
        return held, true
    end
end
