-- One step of a sliding window; see windows.rs, which does the same in one process.
-- KEYS[1]: the window, a hash of counts by slot. ARGV: the most it may hold, the width of a slot in microseconds.
-- Returns {1, how many were counted} or {0, the microseconds until there is room}.
local KEPT = 33
local most, width = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local slots = redis.call('HGETALL', KEYS[1])
-- A clock that was put back counts into the newest slot.
local newest = math.floor(now / width)
for i = 1, #slots, 2 do newest = math.max(newest, tonumber(slots[i])) end

local total, kept, gone = 0, {}, {}
for i = 1, #slots, 2 do
    local slot, count = tonumber(slots[i]), tonumber(slots[i + 1])
    if slot > newest - KEPT then
        total = total + count
        kept[#kept + 1] = { slot, count }
    else
        gone[#gone + 1] = slots[i]
    end
end
if total < most then
    if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', newest), 1)
    -- Until nothing of it counts any more.
    redis.call('PEXPIRE', KEYS[1], math.ceil(((newest + KEPT + 1) * width - now) / 1000))
    return { 1, total + 1 }
end
table.sort(kept, function(one, other) return one[1] < other[1] end)
local left, freed = total, newest
for _, slot in ipairs(kept) do
    left = left - slot[2]
    if left < most then
        freed = slot[1]
        break
    end
end
return { 0, (freed + KEPT) * width - now }
