-- The request of a scenario, from the environment: WRK_TARGET (absolute form), WRK_HOST, WRK_METHOD, WRK_BODY (a file),
-- WRK_CLOSE (1: a new connection for each request). Prints one line of JSON at the end, latencies in microseconds.
wrk.path = os.getenv("WRK_TARGET")
wrk.headers["Host"] = os.getenv("WRK_HOST")
wrk.method = os.getenv("WRK_METHOD")
if os.getenv("WRK_CLOSE") == "1" then
  wrk.headers["Connection"] = "close"
end
local body = os.getenv("WRK_BODY")
if body and body ~= "" then
  local file = assert(io.open(body, "rb"))
  wrk.body = file:read("*a")
  file:close()
  wrk.headers["Content-Type"] = "application/octet-stream"
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"p50Us":%d,"p99Us":%d,"errors":%d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
