import { createHash } from 'node:crypto';

/**
 * The division of one budget, done in Redis in one step. One hash for each workload and destination: a field for each
 * sidecar, and `#` for the table itself. All times are Redis's own.
 *
 * Field of a sidecar: `seq seen ttl limit held granted fast slow`: the number of its last call, when that came, how long its
 * lease lasts, what it allows itself, how many sockets it has, what it was granted, and what it could use. Field `#`:
 * `last calm expected`: when anybody called last; since when everybody only keeps what he has (0: not), for Redis was away
 * or has lost its memory; and how many are to come back.
 *
 * What a sidecar may have is reserved until it says that it has come down: the most of what it allows itself, has and was
 * granted. A grant grows only out of what nobody has reserved, so that the sum never exceeds the budget.
 *
 * Arguments of `beat`: id, seq, ttl, budget, minShare, limit, held, fast, slow, known, silence. Answer: share, sidecars, and
 * 1 while everybody keeps what he has. Arguments of `leave`: id.
 *
 * test/fleet/lease-table.ts is the same in TypeScript, and e2e/fleet compares the two.
 */
export const LEASE_SCRIPT = `
local key = KEYS[1]
local id = ARGV[2]
if ARGV[1] == 'leave' then return {redis.call('HDEL', key, id)} end
local seq, ttl, budget, least = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local limit, held, fast, slow = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local known, silence = tonumber(ARGV[11]), tonumber(ARGV[12])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local members, last, calm, expected = {}, nil, 0, 0
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local numbers = {}
  for word in string.gmatch(flat[i + 1], '%S+') do numbers[#numbers + 1] = tonumber(word) end
  if flat[i] == '#' then last, calm, expected = numbers[1], numbers[2], numbers[3]
  else members[flat[i]] = numbers end
end

local own = members[id]
if own and seq <= own[1] then
  local count = 0
  for _ in pairs(members) do count = count + 1 end
  return {own[6], count, 0}
end
if last == nil then calm, expected = now, 0
elseif now - last > silence then
  calm, expected = now, 0
  for _, m in pairs(members) do if m[2] + m[3] >= last then expected = expected + 1 end end
end
if calm > 0 and known > expected then expected = known end

members[id] = {seq, now, ttl, limit, held, own and own[6] or 0, fast, slow}
local ids, free = {}, budget
for name, m in pairs(members) do
  if m[2] > now then m[2] = now end
  if m[2] + m[3] < now then redis.call('HDEL', key, name)
  else
    ids[#ids + 1] = name
    if name ~= id then free = free - math.max(m[4], m[5], m[6]) end
  end
end
table.sort(ids)
local count = #ids
local calming = calm > 0 and (now - calm < 3000 or (count < expected and now - calm < ttl))
if not calming then calm, expected = 0, 0 end
local peers = math.max(count, expected)
least = math.min(least, math.floor(budget / peers))

local function fill(wishes, rest)
  local order, got, left, level = {}, {}, count, math.huge
  for i = 1, count do order[i] = i end
  table.sort(order, function(a, b) return wishes[a] < wishes[b] end)
  for _, i in ipairs(order) do
    if wishes[i] * left > rest then level = math.floor(rest / left) break end
    rest, left = rest - wishes[i], left - 1
  end
  if level < math.huge then rest = rest - level * left end
  for i = 1, count do
    got[i] = math.min(wishes[i], level)
    if got[i] < wishes[i] and rest > 0 then got[i], rest = got[i] + 1, rest - 1 end
  end
  return got, rest
end

local grant
if calming then
  local start = count < expected and 0 or math.max(0, math.min(least, free))
  grant = math.min(budget, math.max(limit, start))
else
  local wishes, place = {}, 0
  for i = 1, count do
    wishes[i] = math.max(0, math.min(members[ids[i]][7], budget) - least)
    if ids[i] == id then place = i end
  end
  local first, rest = fill(wishes, budget - count * least)
  for i = 1, count do
    wishes[i] = math.max(0, math.min(members[ids[i]][8], budget) - least - first[i])
  end
  local second = fill(wishes, rest)
  local target = least + first[place] + second[place]
  if target <= limit then grant = target else grant = math.max(limit, math.min(target, free)) end
end
members[id][6] = grant
redis.call('HSET', key, id, table.concat(members[id], ' '), '#', table.concat({now, calm, expected}, ' '))
redis.call('PEXPIRE', key, math.max(60000, 3 * ttl))
return {grant, peers, calming and 1 or 0}
`;

/** By which Redis knows the script once it has seen it. */
export const LEASE_SHA = createHash('sha1').update(LEASE_SCRIPT).digest('hex');
