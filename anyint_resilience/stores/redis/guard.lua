-- Run a step of a guard on its state, and tell the others what they must know at once.
-- KEYS: 1 the value, 2 the index of guards. ARGV: 4 the step, 5 its arguments, 6 the channel of news, 7 the beginning of
-- each process's own channel, 8 this process, 9 how many nodes have subscribers. Reply: the time, the verdict, the brief
-- of the state, "" for none, and how many processes share it.

local function read()
  local text = text_at(KEYS[1])
  local good, state = pcall(cjson.decode, text or 'null')
  if good and type(state) == 'table' then return state end
end

local args = cjson.decode(ARGV[5])
local peers = math.max(1, redis.call('PUBSUB', 'NUMSUB', ARGV[6])[2] * tonumber(ARGV[9]))
if args.flying then args.flying = (args.flying + 1) * peers end
if args.few then args.few = math.min(args.few, peers) end

local step, state = steps[ARGV[4]], read()
local known, before = pcall(brief, ARGV[4], state)
local good, new, verdict = pcall(step, state, now, args)
if not good or not known then -- what stands there is not ours
  before = nil
  new, verdict = step(nil, now, args)
end

-- Whose turn it is now may have died, or have a turn of this very process, which rings it by itself.
local function rung(ring)
  for _, ticket in ipairs(ring or {}) do
    local process = string.match(ticket, '^(.-)%.')
    if process and process ~= ARGV[8] then
      local heard = redis.call('PUBLISH', ARGV[7] .. process, cjson.encode({ ARGV[2], ticket }))
      if heard == 0 and ARGV[9] == '1' then return ticket end
    end
  end
end

local dead = type(verdict) == 'table' and rung(verdict.ring) or nil
while dead and new ~= nil do
  local left
  new, left = steps['gate.leave'](new, now, { ticket = dead })
  dead = rung(left.ring)
end
local after = brief(ARGV[4], new)
if new ~= nil then
  put(encoded(new), false)
elseif state ~= nil then
  forget()
end
if is_news(before, after) then
  redis.call('PUBLISH', ARGV[6], cjson.encode({ ARGV[2], now, after or cjson.null }))
end
return { string.format('%.6f', now), cjson.encode(verdict), after and cjson.encode(after) or '', peers }
