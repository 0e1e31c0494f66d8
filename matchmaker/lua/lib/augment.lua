-- Improves a matching on any graph by alternating paths, within a budget.
--
-- n nodes; edges[i] = { j, worth, j, worth, … }, each edge at both its ends, every worth > 0; mate[i] = j for both
-- nodes of a pair; held[i] = what i's pair is worth, nil while i is free, and the pair is an edge. mate and held change
-- in place. Afterwards no edge joins two free nodes.
--
-- effort: how many heads a node may be looked at; without it as many as are worth while.
--
-- A path begins at a root, a node that takes a new partner. Whoever loses theirs by that is the path's next head, and
-- may take a new one in turn. A path whose gain, counted when a head has just taken somebody, is not positive is
-- dropped: what follows would be the better path by itself.
local function augment(n, edges, held, mate, effort)
  -- How deep a search from one node goes, and how many heads it looks at: near improvements first, then far ones.
  local levels = { { 3, 4 }, { 4, 16 }, { 30, 400 } }
  -- Heads looked at in all; 1 µs each, about. The first level is bounded against circles that rounding might run in.
  local budget, first_level = effort and effort * n or math.max(14 * n, 1600), 40 * n
  -- A smaller gain is rounding: every pair counts EPSILON for itself.
  local least = EPSILON / 2
  local looked, searches = 0, 0

  -- The heads of a search: the node, the path's gain if it ends here, the head before and the node that it took, the
  -- number of heads and the root's number.
  local head, gain, parent, via, depth, root = {}, {}, {}, {}, {}, {}
  local reached, best_gain, none = {}, {}, {}
  -- The best path of each root: its gain, its last head and whom that takes.
  local best, best_head, best_node = {}, {}, {}

  local function add_root(r, i)
    head[r], gain[r], parent[r], via[r], depth[r], root[r] = i, -(held[i] or 0), 0, 0, 1, r
    best[r], best_head[r] = least, nil
  end

  local function is_off_path(k, u, v)
    while k > 0 do
      local h, t = head[k], via[k]
      if h == v or t == v or h == u then return false end
      k = parent[k]
    end
    return true
  end

  -- Looks for the best paths from the first `count` heads, the roots; from one that is paired only if it is alone.
  local function search(count, deepest, heads)
    local roots, most, lost, k = count, count + heads, count == 1 and mate[head[1]], 1
    searches = searches + 1
    while k <= count do
      local h, so_far, below, r = head[k], gain[k], depth[k] + 1, root[k]
      -- Of two paths to one head the lesser is of no use.
      local near = (k <= roots or so_far >= best_gain[h]) and edges[h] or none
      local open = below <= deepest and count < most
      for e = 1, #near, 2 do
        local after = so_far + near[e + 1]
        if after > least then
          local v = near[e]
          local u = mate[v]
          if not u or v == lost then
            if after > best[r] and u ~= h and is_off_path(k, v, v) then
              best[r], best_head[r], best_node[r] = after, k, v
            end
          elseif u ~= h then
            after = after - held[v]
            local better, further = after > best[r], open and (reached[u] ~= searches or after > best_gain[u])
            if (better or further) and is_off_path(k, u, v) then
              if better then best[r], best_head[r], best_node[r] = after, k, v end
              if further then
                count = count + 1
                head[count], gain[count], parent[count], via[count] = u, after, k, v
                depth[count], root[count] = below, r
                reached[u], best_gain[u] = searches, after
                open = count < most
              end
            end
          end
        end
      end
      k = k + 1
    end
    looked = looked + count
  end

  local queue, queued, first, last = {}, {}, 1, 0
  local function enqueue(i)
    if not queued[i] then
      last = last + 1
      queue[last], queued[i] = i, true
    end
  end

  -- A node whose partner changed, or is none now: it and those around it may find something new.
  local changed = {}
  local function renew(i)
    changed[i] = searches
    enqueue(i)
    local near = edges[i]
    for e = 1, #near, 2 do enqueue(near[e]) end
  end

  local function part(i)
    mate[i], held[i] = nil, nil
    renew(i)
  end

  -- Whether the path whose last head k takes v is still as it was found.
  local function is_fresh(k, v)
    while k > 0 do
      if changed[head[k]] == searches or changed[v] == searches then return false end
      v, k = via[k], parent[k]
    end
    return true
  end

  -- Pairs what the best path of root r pairs; answers whether there is one.
  local function apply(r)
    local k, v = best_head[r], best_node[r]
    if not k or not is_fresh(k, v) then return false end
    local lost, exposed = mate[head[r]], mate[v]
    if lost then part(lost) end
    if exposed and exposed ~= head[r] then part(exposed) end
    while k > 0 do
      local h = head[k]
      local near, e = edges[h], 1
      while near[e] ~= v do e = e + 2 end
      local worth = near[e + 1]
      mate[h], mate[v], held[h], held[v] = v, h, worth, worth
      renew(h)
      renew(v)
      v, k = via[k], parent[k]
    end
    return true
  end

  -- Searches from all free nodes at once: the best path of all is taken, and those of other roots that it leaves as
  -- they were. Answers whether anything was found.
  local function improve_free()
    local roots, top = 0, 1
    for i = 1, n do
      if not mate[i] and edges[i][1] then
        roots = roots + 1
        add_root(roots, i)
      end
    end
    if roots == 0 then return false end
    search(roots, 30, 4 * n)
    for r = 2, roots do
      if best[r] > best[top] then top = r end
    end
    local found = apply(top)
    for r = 1, roots do apply(r) end
    return found
  end

  for level, size in ipairs(levels) do
    for i = 1, n do
      if not mate[i] then enqueue(i) end
    end
    for i = 1, n do enqueue(i) end
    while first <= last and (looked < budget or level == 1 and searches < first_level) do
      local s = queue[first]
      first, queued[s] = first + 1, nil
      add_root(1, s)
      search(1, size[1], size[2])
      apply(1)
    end
    repeat until looked >= budget or not improve_free()
  end

  -- Where the budget ended between an improvement and the search after it.
  for i = 1, n do
    local near, e = edges[i], 1
    while not mate[i] and near[e] do
      local j = near[e]
      if not mate[j] then mate[i], mate[j] = j, i end
      e = e + 2
    end
  end
end
