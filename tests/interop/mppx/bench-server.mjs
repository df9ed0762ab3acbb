// This server sells over mppx for `cargo bench -p paychan-mpp`, through many channels. It checks each voucher itself and keeps the
// totals in mppx's memory store. With FREE it gives the same answer for nothing. It prints its address.
import { createServer } from "node:http";
import { Errors, Method, Receipt, Store } from "mppx";
import { Mppx, Request as MppxRequest } from "mppx/server";
import { channelMethod, publicKey, verifyCommitment } from "./stellar-channel.mjs";

const { KEYS, PASSPHRASE, NETWORK, PRICE, FREE } = process.env;
const answer = Buffer.from("Thu, 26 Nov 2026 03:14:15 GMT");
const keys = new Map(Object.entries(JSON.parse(KEYS)).map(([channel, key]) => [channel, publicKey(key)]));
const store = Store.memory();

const method = Method.toServer(channelMethod, {
  async verify({ credential }) {
    const { amount, signature } = credential.payload;
    const { request } = credential.challenge;
    const key = keys.get(request.channel);
    if (!verifyCommitment({ amount, channel: request.channel, passphrase: PASSPHRASE }, key, signature)) {
      throw new Errors.VerificationFailedError({ reason: "the signature is not the channel's" });
    }
    const accepted = BigInt((await store.get(request.channel)) ?? "0");
    if (BigInt(amount) < accepted + BigInt(request.amount)) {
      throw new Errors.VerificationFailedError({ reason: "the voucher is too low" });
    }
    await store.put(request.channel, amount);
    return Receipt.from({
      method: "stellar",
      reference: request.methodDetails?.reference ?? credential.challenge.id,
      status: "success",
      timestamp: new Date().toISOString(),
    });
  },
});

const mppx = Mppx.create({ methods: [method], realm: "bench.example.com", secretKey: "a benchmark's secret of 32 bytes and more" });

async function sell(incoming, outgoing) {
  const channel = incoming.headers["payment-session"];
  const details = { network: NETWORK, cumulativeAmount: (await store.get(channel)) ?? "0" };
  const request = MppxRequest.fromNodeListener(incoming, outgoing);
  const result = await mppx.channel({ amount: PRICE, channel, methodDetails: details })(request);
  const response = result.status === 402 ? result.challenge : result.withReceipt(new Response(answer));
  const body = Buffer.from(await response.arrayBuffer());
  outgoing.writeHead(response.status, { ...Object.fromEntries(response.headers), "content-length": body.length });
  outgoing.end(body);
}

const free = (_, outgoing) => outgoing.writeHead(200, { "content-length": answer.length }).end(answer);
const server = createServer(FREE ? free : sell);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
