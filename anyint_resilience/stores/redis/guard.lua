-- Run a step of a guard on its state, and tell the others what they must know at once.
-- KEYS: 1 the value, 2 the index of guards. ARGV: 4 the step, 5 its arguments, 6 the channel of news, 7 the beginning of
-- each process's own channel, 8 this process, 9 how many
-- processes share it, "" where that can be seen here. Reply: the time, the verdict, the brief
-- of the state, "" for none, and how many processes share it.

local function read()
  local text = text_at(KEYS[1])
  local good, state = pcall(cjson.decode, text or 'null')
  if good and type(state) == 'table' then return state end
end

local args = cjson.decode(ARGV[5])
local alone = ARGV[9] == '' -- no cluster: all subscribers are here
local peers = alone and redis.call('PUBSUB', 'NUMSUB', ARGV[6])[2] or tonumber(ARGV[9])
peers = math.max(1, peers)
if args.flying then args.flying = (args.flying + 1) * peers end
if args.few then args.few = math.min(args.few, peers) end

-- Run the step; also see that what comes of it can be written.
local function made_of(state)
  local before = brief(ARGV[4], state)
  local new, verdict = steps[ARGV[4]](state, now, args)
  return { before = before, new = new, verdict = verdict, text = new ~= nil and encoded(new) }
end

local state = read()
local good, made = pcall(made_of, state)
if not good then made = made_of(nil) end -- what stands there is not ours
local before, new, verdict = made.before, made.new, made.verdict

-- Whose turn it is now may have died, or have a turn of this very process, which rings it by itself.
local function rung(ring)
  for _, ticket in ipairs(ring or {}) do
    local process = string.match(ticket, '^(.-)%.')
    if process and process ~= ARGV[8] then
      local heard = redis.call('PUBLISH', ARGV[7] .. process, cjson.encode({ ARGV[2], ticket }))
      if heard == 0 and alone then return ticket end
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
