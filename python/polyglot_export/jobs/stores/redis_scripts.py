"""The Lua scripts of the Redis store: each one is a transaction, and reads the server's clock, never a replica's.

Keys, behind the prefix:

    job:{id}        hash    doc (JSON), rev (counts the changes), token (of the last change); expires when the job is
                            forgotten
    progress:{id}   hash    number of a run → the run as it stands (JSON); only while the job is running
    key:{digest}    string  id of the job that was made with this Idempotency-Key
    owner:{name}    zset    the jobs of an owner in their order: "microseconds-id", all with score 0 (ZREVRANGEBYLEX)
    meta            hash    id → where the job is in the others (JSON), so that it can be forgotten when it has expired
    weights         hash    owner → sum of the weights of its jobs; summed up anew from meta where it is lost
    due             hash    ids of jobs that are to be forgotten → when that was seen (milliseconds)
    idle            zset    ids of jobs that are not running, by the time they were made
    expiry          zset    the same, by the time they expire (milliseconds)
    leases          zset    "id/run/replica", by the time the lease ends (milliseconds)
    suspects        hash    members of leases that have lapsed → their score and when that was seen
    cancelled       set     ids of jobs that are running and were cancelled by their owner
    awaited         set     ids of jobs that wait for their turn in the background
    reload          string  the mark of whoever has read its configuration again and wants all replicas to do so

They are built from the prefix inside of the scripts, so they are for one server and its replicas, not for Redis
Cluster.
"""

from __future__ import annotations

__all__ = ["ADD", "CLAIM", "COUNT", "LOOK", "MARK", "PAGE", "READ", "REMOVE", "RENEW", "SAVE"]

_COMMON = """
local P = KEYS[1]
-- A server whose clock is wrong for a moment forgets nothing: what is due is noted, and goes when it still is due after
-- the grace. The keys themselves end much later, for the case that nobody calls any more.
local KEPT, GRACE, SLACK = tonumber(ARGV[1]), 900000, 604800000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What was put there by somebody else, or is damaged, stops no call.
local function decoded(text)
  local ok, value = pcall(cjson.decode, text or '')
  return ok and type(value) == 'table' and value or nil
end

local function weigh(owner, by)
  if redis.call('EXISTS', P .. 'weights') == 0 then
    local all = redis.call('HGETALL', P .. 'meta')
    for i = 2, #all, 2 do
      local meta = decoded(all[i])
      if meta then redis.call('HINCRBY', P .. 'weights', meta.owner, meta.weight) end
    end
  end
  if by then redis.call('HINCRBY', P .. 'weights', owner, by) end
end

local function forget(id)
  local raw = redis.call('HGET', P .. 'meta', id)
  if not raw then return end
  local meta = decoded(raw) or {owner = '', place = '', weight = 0, key = ''}
  redis.call('ZREM', P .. 'owner:' .. meta.owner, meta.place)
  weigh(meta.owner, 0 - meta.weight)
  if redis.call('EXISTS', P .. 'owner:' .. meta.owner) == 0 then redis.call('HDEL', P .. 'weights', meta.owner) end
  redis.call('DEL', P .. 'job:' .. id, P .. 'progress:' .. id)
  redis.call('HDEL', P .. 'meta', id)
  redis.call('ZREM', P .. 'idle', id)
  redis.call('ZREM', P .. 'expiry', id)
  redis.call('SREM', P .. 'cancelled', id)
  redis.call('SREM', P .. 'awaited', id)
  redis.call('HDEL', P .. 'due', id)
  if meta.key ~= '' then redis.call('DEL', P .. 'key:' .. meta.key) end
end

local function forget_due()
  local due = redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', now - KEPT, 'LIMIT', 0, 1000)
  for _, id in ipairs(due) do
    local seen = tonumber(redis.call('HGET', P .. 'due', id))
    if not seen or seen > now then
      redis.call('HSET', P .. 'due', id, string.format('%.0f', now))
    elseif now - seen >= GRACE then
      forget(id)
    end
  end
end

local function put(id, doc, rev, token, state, raw_meta)
  local job = P .. 'job:' .. id
  redis.call('HSET', job, 'doc', doc, 'rev', rev, 'token', token)
  local meta = decoded(redis.call('HGET', P .. 'meta', id))
  if not meta then
    -- Lost: the job is put back where it belongs.
    meta = cjson.decode(raw_meta)
    weigh(meta.owner, meta.weight)
    redis.call('HSET', P .. 'meta', id, raw_meta)
    redis.call('ZADD', P .. 'owner:' .. meta.owner, 0, meta.place)
  end
  if state.running then
    redis.call('PERSIST', job)
    redis.call('ZREM', P .. 'idle', id)
    redis.call('ZREM', P .. 'expiry', id)
    redis.call('HDEL', P .. 'due', id)
    if meta.key ~= '' then redis.call('SET', P .. 'key:' .. meta.key, id) end
  else
    local gone = string.format('%.0f', state.expires + KEPT + SLACK)
    redis.call('PEXPIREAT', job, gone)
    redis.call('ZADD', P .. 'idle', state.created, id)
    redis.call('ZADD', P .. 'expiry', state.expires, id)
    redis.call('DEL', P .. 'progress:' .. id)
    if meta.key ~= '' then redis.call('SET', P .. 'key:' .. meta.key, id, 'PXAT', gone) end
  end
  redis.call(state.running and state.cancelled and 'SADD' or 'SREM', P .. 'cancelled', id)
  redis.call(state.awaited and 'SADD' or 'SREM', P .. 'awaited', id)
  for _, member in ipairs(state.leases) do redis.call('ZADD', P .. 'leases', now + state.lease, member) end
  for _, member in ipairs(state.ended) do redis.call('ZREM', P .. 'leases', member) end
end
"""

READ = (
    _COMMON
    + """
-- ARGV: kept, id → doc, rev, progress; or nothing
local found = redis.call('HMGET', P .. 'job:' .. ARGV[2], 'doc', 'rev')
if not found[1] then return {} end
return {found[1], found[2], redis.call('HGETALL', P .. 'progress:' .. ARGV[2])}
"""
)

LOOK = (
    _COMMON
    + """
-- ARGV: kept, id, rev that is known → doc ('' where the job has not changed), rev, progress; or nothing
local rev = redis.call('HGET', P .. 'job:' .. ARGV[2], 'rev')
if not rev then return {} end
local doc = rev ~= ARGV[3] and redis.call('HGET', P .. 'job:' .. ARGV[2], 'doc') or ''
return {doc, rev, redis.call('HGETALL', P .. 'progress:' .. ARGV[2])}
"""
)

ADD = (
    _COMMON
    + """
-- ARGV: kept, id, doc, token, state, meta, most jobs, most weight
-- → the id that has the key; '' when all jobs that may go are running or wait for their turn
local id, state, meta = ARGV[2], cjson.decode(ARGV[5]), cjson.decode(ARGV[6])
forget_due()
if meta.key ~= '' then
  local known = redis.call('GET', P .. 'key:' .. meta.key)
  if known and redis.call('EXISTS', P .. 'job:' .. known) == 1 then return known end
end
-- Sent again after its answer was lost.
if redis.call('EXISTS', P .. 'job:' .. id) == 1 then return id end
weigh()

local function oldest_idle(owner)
  local from = '-'
  while true do
    local places = redis.call('ZRANGEBYLEX', P .. 'owner:' .. owner, from, '+', 'LIMIT', 0, 100)
    if #places == 0 then return end
    for _, place in ipairs(places) do
      local found = string.sub(place, string.find(place, '-', 1, true) + 1)
      if redis.call('EXISTS', P .. 'job:' .. found) == 0 then
        redis.call('ZREM', P .. 'owner:' .. owner, place)
      elseif redis.call('ZSCORE', P .. 'idle', found) and redis.call('SISMEMBER', P .. 'awaited', found) == 0 then
        return found
      end
    end
    from = '(' .. places[#places]
  end
end

-- Of whoever has most, the new job included; of others only if they have more than its owner.
local function victim(measure)
  local owners, own = {}, measure(meta.owner, true)
  for _, owner in ipairs(redis.call('HKEYS', P .. 'weights')) do
    local has = measure(owner, false)
    if owner ~= meta.owner and has > own then owners[#owners + 1] = {has, owner} end
  end
  table.sort(owners, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] < b[2]) end)
  owners[#owners + 1] = {own, meta.owner}
  for _, each in ipairs(owners) do
    local found = oldest_idle(each[2])
    if found then return found end
  end
end

-- Puts every job back into the indexes; one that is running has no time to live.
local function repair()
  local all = redis.call('HGETALL', P .. 'meta')
  for i = 1, #all, 2 do
    local each, left = decoded(all[i + 1]), redis.call('PTTL', P .. 'job:' .. all[i])
    if not each or left == -2 then
      forget(all[i])
    else
      redis.call('ZADD', P .. 'owner:' .. each.owner, 0, each.place)
      if left >= 0 and not redis.call('ZSCORE', P .. 'idle', all[i]) then
        redis.call('ZADD', P .. 'idle', tonumber(string.match(each.place, '^%d+')), all[i])
        redis.call('ZADD', P .. 'expiry', string.format('%.0f', now + left - KEPT - SLACK), all[i])
      end
    end
  end
end

local function count_of(owner, more) return redis.call('ZCARD', P .. 'owner:' .. owner) + (more and 1 or 0) end
local function weight_of(owner, more)
  return tonumber(redis.call('HGET', P .. 'weights', owner) or 0) + (more and meta.weight or 0)
end

local repaired = false
while true do
  local weight, measure = meta.weight, nil
  for _, each in ipairs(redis.call('HVALS', P .. 'weights')) do weight = weight + each end
  if redis.call('HLEN', P .. 'meta') >= tonumber(ARGV[7]) then
    measure = count_of
  elseif weight > tonumber(ARGV[8]) then
    measure = weight_of
  else
    break
  end
  local oldest = redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', now, 'LIMIT', 0, 1)[1] or victim(measure)
  if oldest and redis.call('HEXISTS', P .. 'meta', oldest) == 1 then
    forget(oldest)
  elseif oldest then
    -- An index that has outlived its job.
    redis.call('ZREM', P .. 'expiry', oldest)
    redis.call('ZREM', P .. 'idle', oldest)
    redis.call('DEL', P .. 'job:' .. oldest, P .. 'progress:' .. oldest)
  elseif repaired then
    return ''
  else
    repair()
    repaired = true
  end
end
weigh(meta.owner, meta.weight)
redis.call('HSET', P .. 'meta', id, ARGV[6])
redis.call('ZADD', P .. 'owner:' .. meta.owner, 0, meta.place)
put(id, ARGV[3], 1, ARGV[4], state, ARGV[6])
return id
"""
)

SAVE = (
    _COMMON
    + """
-- ARGV: kept, id, doc, token, state, rev that was read, meta → 'saved', 'changed' by someone else, or 'gone'
local id = ARGV[2]
local found = redis.call('HMGET', P .. 'job:' .. id, 'rev', 'token')
if not found[1] then return 'gone' end
-- Sent again after its answer was lost.
if found[2] == ARGV[4] then return 'saved' end
if found[1] ~= ARGV[6] then return 'changed' end
put(id, ARGV[3], found[1] + 1, ARGV[4], cjson.decode(ARGV[5]), ARGV[7])
return 'saved'
"""
)

COUNT = (
    _COMMON
    + """
-- ARGV: kept → jobs that are kept, those of them that are not running, those of these that have expired
forget_due()
local gone = redis.call('ZCOUNT', P .. 'expiry', '-inf', now - KEPT)
local expired = redis.call('ZCOUNT', P .. 'expiry', '-inf', now)
return {redis.call('HLEN', P .. 'meta') - gone, redis.call('ZCARD', P .. 'idle') - gone, expired - gone}
"""
)

REMOVE = (
    _COMMON
    + """
-- ARGV: kept, id
forget(ARGV[2])
"""
)

PAGE = (
    _COMMON
    + """
-- ARGV: kept, owner, bound, limit, whether those of all owners are meant → doc and progress of each job
forget_due()
local owners, places, limit = {ARGV[2]}, {}, tonumber(ARGV[4])
if ARGV[5] == '1' then
  weigh()
  owners = redis.call('HKEYS', P .. 'weights')
end
for _, owner in ipairs(owners) do
  local own = redis.call('ZREVRANGEBYLEX', P .. 'owner:' .. owner, ARGV[3], '-', 'LIMIT', 0, limit)
  for _, place in ipairs(own) do places[#places + 1] = place end
end
if #owners > 1 then table.sort(places, function(a, b) return a > b end) end
local found = {}
for i = 1, math.min(limit, #places) do
  local place = places[i]
  local id = string.sub(place, string.find(place, '-', 1, true) + 1)
  local doc = redis.call('HGET', P .. 'job:' .. id, 'doc')
  if doc then found[#found + 1] = {doc, redis.call('HGETALL', P .. 'progress:' .. id)} end
end
return found
"""
)

RENEW = (
    _COMMON
    + """
-- ARGV: kept, lease, then for each run: id, number, replica, the run as it stands
-- → the runs that are lost, the jobs that are cancelled, the mark of the latest reload
local lost, cancelled = {}, {}
for i = 3, #ARGV, 4 do
  local id, number, run = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  local member = id .. '/' .. number .. '/' .. ARGV[i + 2]
  if redis.call('ZSCORE', P .. 'leases', member) then
    redis.call('ZADD', P .. 'leases', now + ARGV[2], member)
    if run ~= '' then
      redis.call('HSET', P .. 'progress:' .. id, number, run)
      redis.call('PEXPIRE', P .. 'progress:' .. id, KEPT)
    end
    if redis.call('SISMEMBER', P .. 'cancelled', id) == 1 then cancelled[#cancelled + 1] = id end
  else
    -- Only a run that is known to have ended is lost: that Redis has lost its data is no reason to cut a download.
    local job = decoded(redis.call('HGET', P .. 'job:' .. id, 'doc'))
    for _, known in ipairs(job and type(job.runs) == 'table' and job.runs or {}) do
      local ours = known.number == tonumber(number) and known.replica == ARGV[i + 2]
      if ours and known.status ~= 'running' then lost[#lost + 1] = {id, known.number} end
    end
  end
end
return {lost, cancelled, redis.call('GET', P .. 'reload') or ''}
"""
)

MARK = (
    _COMMON
    + """
-- ARGV: kept, mark → the one before
local before = redis.call('GET', P .. 'reload') or ''
redis.call('SET', P .. 'reload', ARGV[2])
return before
"""
)

CLAIM = (
    _COMMON
    + """
-- ARGV: kept, replica, lease, pause, limit → the members that were claimed
local lapsed = redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[5]))
local claimed = {}
for i = 1, #lapsed, 2 do
  local member, score = lapsed[i], lapsed[i + 1]
  -- A server whose clock was set forward sees every lease lapse: one is claimed when it is still not renewed
  -- a moment later.
  local before, at = string.match(redis.call('HGET', P .. 'suspects', member) or '', '^(.*)@(.*)$')
  if before ~= score or tonumber(at) > now then
    redis.call('HSET', P .. 'suspects', member, score .. '@' .. string.format('%.0f', now))
    redis.call('PEXPIRE', P .. 'suspects', 60000)
  elseif now - at >= tonumber(ARGV[4]) then
    redis.call('HDEL', P .. 'suspects', member)
    redis.call('ZREM', P .. 'leases', member)
    redis.call('ZADD', P .. 'leases', now + ARGV[3], string.match(member, '^(.*/)') .. ARGV[2])
    claimed[#claimed + 1] = member
  end
end
return claimed
"""
)
