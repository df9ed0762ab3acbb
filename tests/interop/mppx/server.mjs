// This server sells over mppx. The method `stellar`/`channel` verifies the vouchers. It prints its address.
import { createServer } from "node:http";
import { Method, Receipt, Errors } from "mppx";
import { Mppx, Request as MppxRequest } from "mppx/server";
import { channelMethod, publicKey, verifyCommitment } from "./stellar-channel.mjs";

const { CHANNEL, COMMITMENT_KEY, PASSPHRASE, NETWORK, PRICE = "10000" } = process.env;
const key = publicKey(COMMITMENT_KEY);
let accepted = 0n;

const method = Method.toServer(channelMethod, {
  async verify({ credential }) {
    const { amount, signature } = credential.payload;
    const { request } = credential.challenge;
    if (!verifyCommitment({ amount, channel: request.channel, passphrase: PASSPHRASE }, key, signature)) {
      throw new Errors.VerificationFailedError({ reason: "the signature is not the channel's" });
    }
    if (BigInt(amount) < accepted + BigInt(request.amount)) {
      throw new Errors.VerificationFailedError({ reason: "the voucher is too low" });
    }
    accepted = BigInt(amount);
    return Receipt.from({
      method: "stellar",
      reference: request.methodDetails?.reference ?? credential.challenge.id,
      status: "success",
      timestamp: new Date().toISOString(),
    });
  },
});

const mppx = Mppx.create({ methods: [method], realm: "interop.example.com", secretKey: "an interop test's secret of 32 bytes and more" });

const server = createServer(async (incoming, outgoing) => {
  const request = MppxRequest.fromNodeListener(incoming, outgoing);
  const details = { network: NETWORK, cumulativeAmount: accepted.toString() };
  const result = await mppx.channel({ amount: PRICE, channel: CHANNEL, methodDetails: details })(request);
  const response = result.status === 402 ? result.challenge : result.withReceipt(new Response(`sold ${accepted}`));
  const headers = Object.fromEntries(response.headers);
  if (headers["www-authenticate"]) {
    // Offers of others beside ours, in the same line: they have to be passed over.
    const others = 'L402 macaroon="abc, Payment id=x", invoice="lnbc1", Payment id="t", realm="r", method="tempo", intent="charge", request="e30"';
    headers["www-authenticate"] = `${others}, ${headers["www-authenticate"]}`;
  }
  outgoing.writeHead(response.status, headers);
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
