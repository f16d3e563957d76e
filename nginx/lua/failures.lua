-- What nginx answers where a gateway did not: nobody was reached, or the outcome is not known.

local gateways = require("gateways")

local failures = {}

local function last_of(list)
    return list and string.match(list, "([^%s,]+)%s*$")
end

-- Whether the last gateway tried was never connected to; it is shunned then.
local function is_unreached()
    local address = last_of(ngx.var.upstream_addr)
    if address and last_of(ngx.var.upstream_connect_time) ~= "-" then
        return false
    end
    if address then
        gateways.shun(address)
    end
    return true
end

-- Which refusal: busy where nothing was sent, timeout where the outcome is unknown. A gateway that cannot be reached has
-- lost its poll sessions.
function failures.answer()
    if not is_unreached() then
        ngx.exec("/_refused/timeout")
    elseif ngx.var.is_poll == "1" then
        ngx.exec("/_refused/session_gone")
    else
        ngx.exec("/_refused/busy")
    end
    return true
end

return failures
