// This client buys URL a few times with mppx. It prints one line of JSON with the statuses, the receipts and the totals.
import { Credential, Method, Receipt } from "mppx";
import { Mppx } from "mppx/client";
import { channelMethod, privateKey, signCommitment } from "./stellar-channel.mjs";

const { URL: url, SEED, PASSPHRASE, TIMES = "3" } = process.env;
const key = privateKey(SEED);
const totals = [];

const method = Method.toClient(channelMethod, {
  async createCredential({ challenge }) {
    const { amount, channel, methodDetails } = challenge.request;
    const total = (BigInt(methodDetails?.cumulativeAmount ?? "0") + BigInt(amount)).toString();
    totals.push(total);
    const signature = signCommitment({ amount: total, channel, passphrase: PASSPHRASE }, key);
    return Credential.serialize({ challenge, payload: { action: "voucher", amount: total, signature } });
  },
});

const mppx = Mppx.create({ methods: [method], polyfill: false });
const statuses = [];
const receipts = [];
for (let number = 0; number < Number(TIMES); number += 1) {
  const response = await mppx.fetch(url);
  await response.text();
  statuses.push(response.status);
  receipts.push(Receipt.fromResponse(response));
}
console.log(JSON.stringify({ statuses, receipts, totals }));
