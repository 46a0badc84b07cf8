-- All live states of one tag whose names begin so. KEYS: 1 an index. ARGV: 1 the time or "", 2 the beginning,
-- 3 the score after which to go on, 4 what the keys of this tag begin with. Reply: the time, the last score or "" at the
-- end, and name, state, name, state.

local MOST = 5000
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, MOST)
local reply = { string.format('%.6f', now), #found < 2 * MOST and '' or found[#found] }
for at = 1, #found, 2 do
  if string.sub(found[at], 1, #ARGV[2]) == ARGV[2] then
    local text = text_at(ARGV[4] .. found[at])
    if text then
      reply[#reply + 1] = found[at]
      reply[#reply + 1] = text
    elseif redis.call('EXISTS', ARGV[4] .. found[at]) == 0 then
      redis.call('ZREM', KEYS[1], found[at])
    end
  end
end
return reply
