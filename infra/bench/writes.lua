-- For wrk: server-side applies of the pull secret, namespace after namespace, another one each time.
-- It comes with a bearer token, as the others do: wrk sends no client certificate.
local file = assert(io.open(os.getenv("BENCH_BODY")))
local template = file:read("*a")
local namespaces = tonumber(os.getenv("BENCH_NAMESPACES"))
local number = os.time() * 1000

wrk.method = "PATCH"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
wrk.headers["Content-Type"] = "application/apply-patch+yaml"

function request()
  number = number + 1
  local namespace = string.format("team-%04d", number % namespaces)
  local body = template:gsub("NAMESPACE", namespace):gsub("NUMBER", number)
  local path = "/api/v1/namespaces/" .. namespace .. "/secrets/acr-pull"
  return wrk.format(nil, path .. "?fieldManager=acr-refresher&force=true", nil, body)
end

function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.timeout
  io.write(string.format('{"requests": %d, "failed": %d, "seconds": %f}\n',
    summary.requests, failed, summary.duration / 1e6))
end
