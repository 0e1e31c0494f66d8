// A client of the protocol over ioredis, written from docs/protocol.md.
// Spoken to in lines of JSON: {"do": "enqueue", "args": [...]} in, {"reply": [...]} and {"event": {...}} out.
"use strict";
const readline = require("node:readline");
const Redis = require("ioredis");

const [url, realm] = process.argv.slice(2);
const prefix = `mm:{${realm}}:`;
const channels = `${prefix}player:`;
const realmKeys = "meta clock rules tickets players ends ended:0 ended:1 due events wake".split(" ");
const redis = new Redis(url);

function fcall(name, moreKeys, ...args) {
  const keys = [...realmKeys, ...moreKeys].map((key) => prefix + key);
  return redis.fcall(`mm1_${name}`, keys.length, ...keys, ...args);
}

const lineOf = (queue) => [`line:${queue}`, `due:${queue}`];
const ratedLineOf = (queue) => [...lineOf(queue), `ratings:${queue}`, `deviations:${queue}`];

// -- events ------------------------------------------------------------------------------------------------------------

function order(id) {
  return id.split("-").map(BigInt);
}

function isNewer(id, than) {
  const [[ms, count], [thanMs, thanCount]] = [order(id), order(than)];
  return ms > thanMs || (ms === thanMs && count > thanCount);
}

// Every event of a player once, in order, whatever becomes of the connection. `cursor` is the last event the caller has.
// It sends no PING: that is left to TCP.
class Listener {
  constructor(player, cursor, deliver) {
    this.player = player;
    this.cursor = cursor;
    this.knownMs = cursor ? Number(cursor.split("-")[0]) : 0;
    this.deliver = deliver;
    this.work = Promise.resolve();
    // Subscribing is ours: each confirmation has to be followed by a reading.
    this.ear = new Redis(url, { autoResubscribe: false });
    this.ear.on("error", () => {}); // it connects again by itself
    this.ear.on("ready", () => this.serially(() => this.subscribe()));
    this.ear.on("message", (_channel, text) => this.serially(() => this.hear(JSON.parse(text))));
  }

  // One thing after the other: a message waits until the reading before it is done.
  serially(step) {
    this.work = this.work.then(step).catch((error) => write({ lost: String(error) }));
  }

  async subscribe() {
    await this.ear.subscribe(channels + this.player);
    await this.catchUp();
  }

  async hear(event) {
    if (this.cursor && !isNewer(event.id, this.cursor)) return;
    if (event.prev === "" || event.prev === this.cursor) this.take(event);
    else await this.catchUp();
  }

  async catchUp() {
    const found = [];
    let [code, floor, serverMs, offset, ticket, rest] = ["more", "0", "0", "0", "", []];
    while (code === "more") {
      [code, floor, serverMs, offset, ticket, ...rest] = await fcall("history", [], this.player, this.cursor, ticket, 100);
      for (let i = 0; i < rest.length; i += 3) found.push({ id: rest[i], prev: rest[i + 1], ...JSON.parse(rest[i + 2]) });
    }
    const follows = code === "reached" || found.at(-1)?.prev === this.cursor || this.knownMs >= Number(floor);
    if (this.cursor && !follows) throw new Error("events lost");
    for (const event of found.reverse()) this.take(event);
    this.cursor = this.cursor || "0-0";
    this.knownMs = Number(serverMs) + Number(offset);
  }

  take(event) {
    this.cursor = event.id;
    this.deliver(event);
  }
}

// -- what a test asks for ----------------------------------------------------------------------------------------------

const listeners = [];
const commands = {
  load: (source) => redis.function("LOAD", "REPLACE", source),
  apply: (queue, rules) => fcall("apply", [], "", 0, 0, 600000, 1000000, queue, rules),
  enqueue: async (queue, ticket) => (await fcall("enqueue", ratedLineOf(queue), "", channels, queue, ticket))[0],
  cancel: (queue, ticket) => fcall("cancel", lineOf(queue), "", channels, queue, "ticket", ticket, "requested"),
  listen: (player, cursor) => {
    listeners.push(new Listener(player, cursor, (event) => write({ event })));
    return [];
  },
};

function write(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const input = readline.createInterface({ input: process.stdin });
input.on("line", async (line) => {
  const { do: name, args } = JSON.parse(line);
  try {
    write({ reply: await commands[name](...args) });
  } catch (error) {
    write({ error: String(error) });
  }
});
input.on("close", () => process.exit(0));
