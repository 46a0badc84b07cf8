-- Compare and set: write what a process made of a state, if the state is still what it was made of.
-- KEYS: 4 the mark of this store's life. ARGV: 4 the SHA-1 of the state it was made of, "" for none, "?" only to read;
-- 5 the time it was made at; 6 the new state, "" to forget it, "=" to leave it; 7 "1" if it is to be kept; 8 a name for a new life;
-- 9 what the keys of this tag begin with; 10 the process's name, "" if it has nothing under way, 11 its lease in ms;
-- 12 how many entries there may be, 13 the channel of news, 14 what to say there of a new life,
-- 15 by how many seconds that time may be wrong. Reply: 1 or 0, the time, the life; where nothing was written the state, "" for none,
-- and the names of those that have work under way in it and have ended.

local life = redis.call('GET', KEYS[4])
if not life then -- a new store, or one that lost what it held
  life = string.format('%s %.6f', ARGV[8], now)
  redis.call('PUBLISH', ARGV[13], cjson.encode({ ARGV[14], now, life }))
end
redis.call('SET', KEYS[4], life, 'PX', MONTH)

local text = text_at(KEYS[1])
local same = (text and redis.sha1hex(text) or '') == ARGV[4]
local told = tonumber(ARGV[5])
if same and told and math.abs(told - now) < tonumber(ARGV[15]) then
  if ARGV[6] == '=' then return { 1, string.format('%.6f', now), life } end
  if ARGV[10] ~= '' then redis.call('SET', ARGV[9] .. 'alive:' .. ARGV[10], '1', 'PX', ARGV[11]) end
  if ARGV[6] == '' then
    if text then forget() end
    return { 1, string.format('%.6f', now), life }
  end
  put(ARGV[6], ARGV[7] == '1')
  local excess = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[12])
  while excess > 0 do
    local first = redis.call('ZPOPMIN', KEYS[2])
    if not first[1] then first = redis.call('ZPOPMIN', KEYS[3]) end
    redis.call('DEL', ARGV[9] .. first[1])
    excess = excess - 1
  end
  return { 1, string.format('%.6f', now), life }
end

local dead = {}
local read, state = pcall(cjson.decode, text or 'null')
if read and type(state) == 'table' and type(state.busy) == 'table' then
  for _, name in ipairs(state.busy) do
    if type(name) == 'string' and redis.call('EXISTS', ARGV[9] .. 'alive:' .. name) == 0 then dead[#dead + 1] = name end
  end
end
return { 0, string.format('%.6f', now), life, text or '', dead }
