-- All live states of one tag whose names begin so. KEYS: 1 an index. ARGV: 1 the time or "", 2 the beginning,
-- 3 the score after which to go on, 4 what the keys of this tag begin with. Reply: the time, the last score or "" at the
-- end, and name, state, name, state.

local MOST = 5000
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, MOST)
local reply = { string.format('%.6f', now), #found < 2 * MOST and '' or found[#found] }
for at = 1, #found, 2 do
  if string.sub(found[at], 1, #ARGV[2]) == ARGV[2] then
    local raw = redis.call('GET', ARGV[4] .. found[at])
    local text = text_of(raw)
    if text then
      reply[#reply + 1] = found[at]
      reply[#reply + 1] = text
    elseif not raw then
      redis.call('ZREM', KEYS[1], found[at])
    end
  end
end
return reply
