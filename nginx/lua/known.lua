-- What becomes of the list of gateways when Redis is read again. Pure: tables in, a table out.
--
-- Laws:
-- - A gateway whose lease ran out is dropped. One that is missing before that stays for GRACE_S, at most as long as its
--   lease would have: so long gateways take to fill a flushed Redis again.
-- - While Redis does not answer nothing is dropped, and the grace begins anew when it is back.
-- - Load is what the lease says and what was sent there since. A lease that was written again holds all that was sent
--   before the read before this one: what came between may not be in it yet and goes on counting.

local GRACE_S = 4
local RENEWED_MS = 500

local known = {}

local function is_renewed(before, lease, elapsed_ms)
    return lease.ttl_ms > before.ttl_ms - elapsed_ms + RENEWED_MS
end

-- `before` is nil for a gateway that was not known in this life.
local function merged(before, lease, sent, now)
    local counted
    if not before or before.epoch ~= lease.epoch then
        counted = sent
    elseif is_renewed(before, lease, (now - before.read_at) * 1000) then
        counted = before.sent
    else
        counted = before.counted
    end
    return {
        id = lease.id, epoch = lease.epoch, host = lease.host, port = lease.port, state = lease.state,
        connections = lease.connections, ttl_ms = lease.ttl_ms,
        sent = sent, counted = counted, read_at = now, missing_at = now + math.min(GRACE_S, lease.ttl_ms / 1000),
    }
end

-- The new list by id: `before` and the leases `found`; `sent(id)` is how many connections went there so far; `now` in s.
function known.update(before, found, sent, now)
    local list = {}
    for id, gateway in pairs(before) do
        if not found[id] and now < gateway.missing_at then
            list[id] = gateway
        end
    end
    for id, lease in pairs(found) do
        list[id] = merged(before[id], lease, sent(id), now)
    end
    return list
end

-- Redis did not answer: the same list, whose grace begins now.
function known.keep(before, now)
    for _, gateway in pairs(before) do
        gateway.missing_at = now + GRACE_S
    end
    return before
end

return known
