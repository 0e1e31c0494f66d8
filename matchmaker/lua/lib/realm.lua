-- The keys every script gets, in this order, and the opening of a realm: schema, time mode, clock.
--
-- KEYS[1]  meta      hash    schema, time mode, retain, rotation, counters
-- KEYS[2]  clock     string  "<server ms> <offset ms> <jumps> <absorbed ms>", as last seen
-- KEYS[3]  rules     hash    q:<queue> compiled rules, n:<queue> version, c:<queue> work in progress, v:<queue>:<n> history
-- KEYS[4]  tickets   hash    live ticket -> packed record
-- KEYS[5]  players   hash    player -> live ticket
-- KEYS[6]  ends      zset    live ticket -> realm ms of its expiry
-- KEYS[7]  ended:0   hash    t:<ticket> how it ended, p:<player> its last ended ticket (one of two, rotating)
-- KEYS[8]  ended:1   hash    the other
-- KEYS[9]  due       zset    line -> earliest certificate, realm ms
-- KEYS[10] events    stream  every event of the realm
-- KEYS[11] wake      list    hints for sleeping matchers
-- KEYS[12] line      zset    rating -> ticket            (only for scripts that work on one line)
-- KEYS[13] due:line  zset    ticket -> certificate, realm ms
-- KEYS[14] ratings   zset    player -> rating in the queue          (only for enqueue, which looks up what is not given)
-- KEYS[15] deviations hash   player -> deviation of that rating, "" for none
--
-- What tickets with terms need beyond these (lib/terms) has names that only the tickets tell; they are made in
-- `key_of`, of the prefix of KEYS[1]:
--   terms            hash    ticket -> its terms
--   lines            hash    line of a queue with constraints -> tickets in it
--   line:<line>      zset    as KEYS[12]; of a queue with sides line:<line>:<side>
--   due:<line>       zset    as KEYS[13]
--   ages:<line>      zset    ticket -> enqueued realm ms, where the queue has constraints
--   met:0, met:1     hash    player -> whom it met lately (lib/met), rotating
--   propose:<queue>  list    lines whose tickets somebody's own function is to see (lib/own)
-- and what becomes of matches where the rules say more of them than that they were found (lib/checks, lib/matches):
--   checks           hash    ready check -> JSON of it
--   checking         hash    ticket -> its ready check
--   matches          hash    open or disputed match -> JSON of it
--   bodies           hash    ready check or match -> its event
--   playing          hash    as ended:0, of those whose match is open
--   deadlines        zset    c:<ready check>, m:<match> -> realm ms
--   penalties        hash    player -> "<level> <realm ms of the last offence> <realm ms until which it is barred>"
--   penalised        zset    player -> realm ms at which that is forgotten
--   ratings:<queue>[:<side>], deviations:<queue>[:<side>]    as KEYS[14] and KEYS[15]
--
-- ARGV[1]  now       realm ms in a virtual realm, "" in one that runs on server time
--
-- Every call makes these functions anew, in memory shared with the data: the less a script allocates, the less its cost
-- grows with the realm. So library files are cut by who needs them, and what is rare is made where it is needed.

-- The stored form: "2" once a realm has had terms (lib/terms), "3" once it has had ready checks or results: programs
-- that know only the older form cannot keep them.
local SCHEMA, OLDEST_SCHEMA, SCHEMA_OF_TERMS = "3", "1", "2"
-- Idle matchers call at least every 4 s, so a longer silence means that nobody was there to match or the clock stepped.
local LONGEST_STEP_MS = 30000
-- A silence longer than this is nobody's patience but a failure of ours: players' time to answer begins anew after it.
local LONGEST_SILENCE_MS = 6000
-- The last realm ms that a call may bring: all that 15 digits hold.
local MOST_MS = 10 ^ 15 - 1

local call = redis.call

-- Names of keys that depend on what a ticket says, and so cannot come in KEYS: all of them in the realm's own slot.
local function key_of(name) return string.sub(KEYS[1], 1, -5) .. name end

local function is_known_schema(schema)
  return schema == OLDEST_SCHEMA or schema == SCHEMA_OF_TERMS or schema == SCHEMA
end

-- The realm is of this form from now on, or stays of a newer one.
local function raise_schema(to)
  if (call("HGET", KEYS[1], "schema") or "") < to then call("HSET", KEYS[1], "schema", to) end
end

-- The whole number that ARGV[i] spells in plain digits, or nil and the reply that refuses the call: a NaN, an infinity
-- or a hexadecimal number is none.
local function whole_argument(i, name, low, high)
  local text = ARGV[i] or ""
  local number = #text <= 15 and string.find(text, "^%d+$") and tonumber(text)
  if number and number >= low and number <= high then return number end
  return nil, { "invalid", name, string.format("a whole number, %d to %d", low, high) }
end

-- Realm time moves with the server's clock but never backwards, and stands still over a step longer than
-- LONGEST_STEP_MS in either direction: nobody expires, and nobody's wait grows, because a clock was set.
local function server_now()
  local time = call("TIME")
  local server = time[1] * 1000 + math.floor(time[2] / 1000)
  local stored = call("GET", KEYS[2])
  if not stored then
    call("SET", KEYS[2], string.format("%.0f 0 0 0", server))
    return server
  end
  local last, offset, jumps, absorbed = string.match(stored, "^(%d+) (%-?%d+) (%d+) (%-?%d+)$")
  local step = server - last
  offset = offset + 0
  if step ~= 0 then
    if step < 0 or step > LONGEST_STEP_MS then
      offset = offset - step
      if math.abs(step) > LONGEST_STEP_MS then
        jumps = jumps + 1
        absorbed = absorbed + step
      end
    end
    call("SET", KEYS[2], string.format("%.0f %.0f %d %.0f", server, offset, jumps, absorbed))
    if step > LONGEST_SILENCE_MS then call("HSET", KEYS[1], "silent_ms", string.format("%.0f", server + offset)) end
  end
  return server + offset
end

local function virtual_now(argument)
  local stored = call("GET", KEYS[2])
  local last = stored and tonumber(string.match(stored, "^%d+")) or 0
  if argument > last then
    call("SET", KEYS[2], string.format("%.0f 0 0 0", argument))
    return argument
  end
  return last
end

-- Answers the realm as {now, ended, ended_before, kept_ms, full, has_lifecycle}, or nil and the reply that refuses the call. Writes
-- nothing but the clock.
local function open_realm()
  local meta = call("HMGET", KEYS[1], "schema", "time", "ended", "kept_ms", "full")
  if not meta[1] then return nil, { "unknown_realm" } end
  if not is_known_schema(meta[1]) then return nil, { "upgrade", meta[1], SCHEMA } end
  local now
  if meta[2] == "virtual" then
    if ARGV[1] == "" then return nil, { "time_mode", "virtual" } end
    local given, refusal = whole_argument(1, "now", 0, MOST_MS)
    if not given then return nil, refusal end
    now = virtual_now(given)
  else
    if ARGV[1] ~= "" then return nil, { "time_mode", "server" } end
    now = server_now()
  end
  local second = meta[3] == "1"
  return {
    now = now,
    ended = second and KEYS[8] or KEYS[7],
    ended_before = second and KEYS[7] or KEYS[8],
    kept_ms = meta[4] + 0,
    full = meta[5],
    has_lifecycle = meta[1] == SCHEMA,
  }
end
