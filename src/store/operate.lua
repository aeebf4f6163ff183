-- Performs operations on tables, or none of them.
-- KEYS    the tables
-- ARGV    1 the present time (ms since the epoch), 2 number of operations, then six arguments of each
-- Returns {1}, or {-n, detail} when operation n is refused; see write.lua
local now = tonumber(ARGV[1])
local refused, result = operate_all(redis.call('MGET', unpack(KEYS)), tonumber(ARGV[2]), 2, now)
if refused then return { -refused, result } end
write_tables(result, KEYS)
return { 1 }
