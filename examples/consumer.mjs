// Read every prediction, also those that came while this program was away, and say "done" after each.
//
//     npm install redis
//     node examples/consumer.mjs redis://localhost:6379 bitcoin_hourly
//
// The stream is the record; a consumer group remembers in it where you are. A daemon with a store of its own listens on a
// socket: give its path, such as /srv/gaze/state/redis.sock, in place of the URL.

import { createClient } from "redis";

const [where = "redis://localhost:6379", model, count = "Infinity"] = process.argv.slice(2);
if (!model) {
  console.error("which model? try: node consumer.mjs redis://localhost:6379 bitcoin_hourly");
  process.exit(64);
}
const [group, me, stream] = ["example-node", "consumer-1", `gaze:{0}:predictions:${model}`];

function show({ prediction }) {
  const outputs = Object.entries(prediction.outputs).map(([name, value]) => `${name} ${value}`);
  const looks = Object.entries(prediction.gaze).map(([name, gaze]) => `${name}: ${gaze.top[0].bars_ago} bars ago`);
  console.log(`${prediction.symbol} ${outputs.join("  ")}  looked at ${looks.join(", ")}`);
}

const client = createClient(where.startsWith("/") ? { socket: { path: where } } : { url: where });
client.on("error", (error) => console.error(String(error)));  // it reconnects by itself
await client.connect();
try {
  await client.xGroupCreate(stream, group, "0", { MKSTREAM: true });  // "0": from the oldest kept; "$": only what comes
} catch (error) {
  if (!String(error).includes("BUSYGROUP")) throw error;  // the group is there: go on where it was
}

// First what we took before and never acknowledged ("0"), then what is new (">"), waiting for it.
let after = "0";
for (let seen = 0; seen < Number(count); ) {
  const answer = await client.xReadGroup(group, me, { key: stream, id: after }, { COUNT: 500, BLOCK: 5000 });
  const entries = answer?.[0]?.messages ?? [];
  if (entries.length === 0) after = ">";
  for (const { id, message } of entries) {
    if (message?.message) show(JSON.parse(message.message));
    await client.xAck(stream, group, id);
    seen += 1;
  }
}
client.destroy();
