-- Asks Redis each second which gateways live, in one worker, and gives the answer to all.

local gateways = require("gateways")
local known = require("known")
local leases = require("leases")

local EVERY_S = 1
local log, NOTICE, WARN, ERR = ngx.log, ngx.NOTICE, ngx.WARN, ngx.ERR

local current = {}
local is_away = false

local discovery = {}

local function note_changes(before, after)
    for id, gateway in pairs(after) do
        local old = before[id]
        if not old or old.epoch ~= gateway.epoch or old.state ~= gateway.state then
            log(NOTICE, "gateway ", id, " is ", gateway.state, " at ", gateway.host, ":", gateway.port)
        end
        if not old or old.epoch ~= gateway.epoch then
            gateways.forgive(gateway)
        end
    end
    for id in pairs(before) do
        if not after[id] then
            log(NOTICE, "gateway ", id, " is gone")
        end
    end
end

local function note_redis(err)
    if err and not is_away then
        log(WARN, "redis does not answer (", err, "): the last list of gateways stays")
    elseif is_away and not err then
        log(NOTICE, "redis answers again")
    end
    is_away = err ~= nil
end

local function publish()
    local ok, err = gateways.publish(current)
    if not ok then
        log(ERR, "the list of gateways cannot be published: ", err)
    end
end

local function look(premature, settings)
    if premature then
        return
    end
    local found, err = leases.read(settings)
    note_redis(err)
    ngx.update_time()
    local before = current
    if found then
        current = known.update(before, found, gateways.sent, ngx.now())
        note_changes(before, current)
        publish()
    else
        current = known.keep(before, ngx.now())
        if not gateways.is_known() then
            publish()
        end
    end
end

-- Begin to look: at once, then each second. Returns true, or nil and why there is no timer.
function discovery.start(settings)
    if ngx.worker.id() ~= 0 then
        return true
    end
    local ok, err = ngx.timer.at(0, look, settings)
    if not ok then
        return nil, err
    end
    return ngx.timer.every(EVERY_S, look, settings)
end

return discovery
