-- What the guards' twins share, and what other processes are told of a state. Twin of policy/backoff.scheduled and of
-- brief and is_news in guards/twins.py. Must not know any key, clock or script: a store appends what runs a step.
--
-- Lua 5.1 as it runs within Redis and Valkey: no globals, no libraries but cjson, math, string and table. States are
-- as JSON has them: what is None in Python is cjson.null, and a step leaves the state that it is given as it is.

local steps = {} -- name -> function(state or nil, now, arguments) -> new state or nil, verdict

local null = cjson.null
local FAR = 1e300 -- for infinity, which JSON can't write

-- A value that may be null, as one that may be nil.
local function some(value)
    if value ~= null then
        return value
    end
    return nil
end

local function size(map)
    local many = 0
    for _ in pairs(map) do
        many = many + 1
    end
    return many
end

local function copy(map)
    local new = {}
    for name, it in pairs(map) do
        new[name] = it
    end
    return new
end

-- The wait after this attempt (1 is the first): u of a ceiling that grows up to the cap, or for 64 attempts.
local function scheduled(base, factor, cap, attempt, u)
    if base <= 0 then
        return 0
    end
    local ceiling = cap
    if base < cap then -- else the first one is the last
        ceiling = math.min(cap, base * factor ^ (math.min(math.max(attempt, 1), 64) - 1))
    end
    return u * ceiling
end

-- A state as JSON. cjson writes an empty list as it writes an empty map; a quote within a string has a backslash, so
-- that no ticket looks like one of these names.
local function encoded(state)
    local text = cjson.encode(state)
    text = string.gsub(text, '"line":{}', '"line":[]')
    text = string.gsub(text, '"slots":{}', '"slots":[]')
    return text
end

-- What others are told of a state that a step of this name has made, or nil.
local function brief(name, state)
    if state == nil then
        return nil
    elseif string.sub(name, 1, 5) == "gate." then
        return {
            cause = state.cause,
            ["until"] = state["until"],
            shut = state.shut,
            probe = state.probe,
            named = state.named,
            limited = state.limit ~= null,
            limit = state.limit,
        }
    elseif string.sub(name, 1, 8) == "breaker." then
        return { open = state.open }
    end
    return nil
end

-- Whether others must know at once.
local function is_news(before, after)
    if before == nil or after == nil then
        return before ~= after
    end
    local function moved(name)
        return math.abs((after[name] or 0) - (before[name] or 0)) > 0.001
    end
    return before.cause ~= after.cause
        or before.limited ~= after.limited
        or before.open ~= after.open
        or moved("until")
        or moved("probe")
end
