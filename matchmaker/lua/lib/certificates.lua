-- Certificates of a slice, renewed after its matches are made.

-- Writes renewed certificates: `set` alternates moments and tickets, `clear` lists tickets that can never fall due.
local function write_certificates(set, clear)
  if #set > 0 then call("ZADD", KEYS[13], unpack(set)) end
  if #clear > 0 then call("ZREM", KEYS[13], unpack(clear)) end
end

local function add_certificate(set, clear, ticket, at)
  if at then
    local n = #set
    set[n + 1] = whole(at)
    set[n + 2] = ticket
  else
    clear[#clear + 1] = ticket
  end
end

-- Renews certificates of the places that stay, under "sum" and "either": the moment at which a place and its right
-- neighbour fall due. Unless `all`, only where the neighbour changed or a ticket is `wanted`. A right guard keeps its
-- own: what follows it was not read.
-- A ticket that nobody has looked at since it came stands for its left neighbour too, so its moment may be raised only
-- where that one is renewed with it.
local function renew(s, mate, all, wanted, due_at, now, interval)
  local set, clear, id, right, changed = {}, {}, s.id, nil, false
  for i = s.n, 1, -1 do
    if mate[i] then
      changed = true
    else
      local mine = wanted[id[i]]
      if (all or changed or mine) and not (i == s.n and s.guard_right) then
        local at = right
          and due_at(s.x[right] - s.x[i], s.since[i], s.dev[i], s.since[right], s.dev[right], now)
        local known
        if i == 1 and s.guard_left or not (all or mine) then
          known = tonumber(call("ZSCORE", KEYS[13], id[i]) or nil)
          if known and known > now and s.since[i] + interval <= now then known = nil end
        end
        if not known or (at and at < known) then add_certificate(set, clear, id[i], at) end
      end
      right, changed = i, mine
    end
  end
  write_certificates(set, clear)
end

-- The same under "both", where any of the LOOK_BACK places to the right may fall due first. Renewed are the ticket at
-- `centre` and, where nothing was matched, those of `wanted` (without a centre: all) around which the slice shows as
-- much; they are added to `done`. To the left of them, and of a matched ticket, LOOK_BACK places see something new: their
-- moments are brought forward for it, to `now` where the slice does not show all they see.
local function renew_both(s, mate, centre, wanted, done, rules, reach, due_at, now)
  local set, clear, earlier, seen, n, changed = {}, {}, {}, {}, 0, 0
  local x, since, dev, id, calm = s.x, s.since, s.dev, s.id, next(mate) == nil
  for i = s.n, 1, -1 do
    if mate[i] then
      changed = LOOK_BACK
    else
      local sees_all = n >= LOOK_BACK or not s.guard_right
      local is_seen = i > LOOK_BACK or not s.guard_left
      local mine = sees_all and (i == centre or (calm and is_seen and (not centre or wanted[id[i]])))
      if sees_all and (mine or changed > 0 or not centre) then
        local far, at = math.max(1, n - LOOK_BACK + 1), nil
        for k = n, far, -1 do
          local j = seen[k]
          local due = due_at(x[j] - x[i], since[i], dev[i], since[j], dev[j], now)
          if due and (not at or due < at) then at = due end
        end
        -- A pair of i needs w(i) >= gap, so the moment i reaches the last place it sees bounds all that lie further.
        local gap = n >= LOOK_BACK and x[seen[far]] - x[i]
        local reached = gap and gap <= rules.max_gap and reach(gap, since[i], dev[i])
        if reached and reached > now and reached < (at or HORIZON_MS) then at = reached end
        if mine then
          add_certificate(set, clear, id[i], at)
          done[id[i]] = true
        elseif at then
          add_certificate(earlier, nil, id[i], at)
        end
      elseif changed > 0 then
        add_certificate(earlier, nil, id[i], now)
      end
      changed = mine and centre and LOOK_BACK or changed - 1
      n = n + 1
      seen[n] = i
    end
  end
  if changed > 0 and s.guard_left then
    for _, ticket in ipairs(call("ZRANGE", KEYS[12], math.max(0, s.from - changed), s.from - 1)) do
      add_certificate(earlier, nil, ticket, now)
    end
  end
  write_certificates(set, clear)
  if #earlier > 0 then call("ZADD", KEYS[13], "LT", unpack(earlier)) end
end
