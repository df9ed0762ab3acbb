// This server sells over mppx. The method `stellar`/`channel` verifies the vouchers. It prints its address.
//
// A close is answered with the status CLOSE_STATUS: mppx's own sessions answer it with 204. The server closes the channel on chain
// with CLOSE_COMMAND, a list in JSON, to which it adds the amount and the signature. The command prints the transaction as JSON.
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { Method, Receipt, Errors } from "mppx";
import { Mppx, Request as MppxRequest } from "mppx/server";
import { channelMethod, publicKey, verifyCommitment } from "./stellar-channel.mjs";

const { CHANNEL, COMMITMENT_KEY, PASSPHRASE, NETWORK, PRICE = "10000", CLOSE_COMMAND, CLOSE_STATUS = "204" } = process.env;
const key = publicKey(COMMITMENT_KEY);
let accepted = 0n;
let closed = false;

/** Closes the channel on chain. Returns the transaction's hash. */
async function close(amount, signature) {
  const [program, ...args] = JSON.parse(CLOSE_COMMAND);
  const { stdout } = await promisify(execFile)(program, [...args, "--amount", amount, "--signature", signature]);
  return JSON.parse(stdout).transaction.hash;
}

const method = Method.toServer(channelMethod, {
  async verify({ credential }) {
    const { action, amount, signature } = credential.payload;
    const { request } = credential.challenge;
    if (closed) throw new Errors.ChannelClosedError({ reason: "the channel was closed" });
    if (!verifyCommitment({ amount, channel: request.channel, passphrase: PASSPHRASE }, key, signature)) {
      throw new Errors.VerificationFailedError({ reason: "the signature is not the channel's" });
    }
    // Each voucher is spent whole, so a close pays what was accepted, and no request beside it.
    const least = action === "close" ? accepted : accepted + BigInt(request.amount);
    if (BigInt(amount) < least) {
      throw new Errors.VerificationFailedError({ reason: "the voucher is too low" });
    }
    let reference = request.methodDetails?.reference ?? credential.challenge.id;
    if (action === "close") {
      reference = await close(amount, signature);
      closed = true;
    }
    accepted = BigInt(amount);
    return Receipt.from({
      method: "stellar",
      reference,
      status: "success",
      timestamp: new Date().toISOString(),
    });
  },
  respond({ credential }) {
    if (credential.payload.action === "close") return new Response(null, { status: Number(CLOSE_STATUS) });
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
