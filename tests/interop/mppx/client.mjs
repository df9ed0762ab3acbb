// This client buys URL a few times with mppx. With CLOSE, it then closes the channel with what was spent. It prints one line of
// JSON with the statuses, the receipts and the totals.
import { Credential, Method, Receipt } from "mppx";
import { Mppx } from "mppx/client";
import { channelMethod, privateKey, signCommitment } from "./stellar-channel.mjs";

const { URL: url, SEED, PASSPHRASE, TIMES = "3", CLOSE } = process.env;
const key = privateKey(SEED);
const totals = [];
let closing = false;

const method = Method.toClient(channelMethod, {
  async createCredential({ challenge }) {
    const { amount, channel, methodDetails } = challenge.request;
    // A close pays for no further request.
    const total = (BigInt(methodDetails?.cumulativeAmount ?? "0") + (closing ? 0n : BigInt(amount))).toString();
    totals.push(total);
    const signature = signCommitment({ amount: total, channel, passphrase: PASSPHRASE }, key);
    return Credential.serialize({ challenge, payload: { action: closing ? "close" : "voucher", amount: total, signature } });
  },
});

const mppx = Mppx.create({ methods: [method], polyfill: false });
const statuses = [];
const receipts = [];
for (let number = 0; number < Number(TIMES) + (CLOSE ? 1 : 0); number += 1) {
  closing = number === Number(TIMES);
  const response = await mppx.fetch(url);
  await response.text();
  statuses.push(response.status);
  receipts.push(Receipt.fromResponse(response));
}
console.log(JSON.stringify({ statuses, receipts, totals }));
