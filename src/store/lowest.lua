-- Returns the member with the lowest score of all sorted sets in KEYS, and its score; nothing when they are empty.
local lowest = {}
for _, set in ipairs(KEYS) do
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if first[1] and (not lowest[1] or tonumber(first[2]) < tonumber(lowest[2])) then lowest = first end
end
return lowest
