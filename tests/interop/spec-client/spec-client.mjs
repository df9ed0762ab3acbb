// Drives a channel contract on a local network with stellar-sdk's `contract.Client`, which takes every function's name,
// arguments and result from the spec in the Wasm. What it answers is what every client that is driven by a spec sees.
//
// Arguments: the program of the local network, then one or more Wasm files. Each file has to give the same answers, so
// that the reference contract can be compared with ours.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Asset, Keypair, Operation, TransactionBuilder, contract, hash, rpc } from "@stellar/stellar-sdk";

const [localnet, ...wasms] = process.argv.slice(2);
assert(localnet && wasms.length > 0, "usage: spec-client.mjs LOCALNET WASM...");

/** Starts the local network; answers where it listens. It ends with this program. */
async function start() {
  const child = spawn(localnet, ["--json", "--rpc-port", "0", "--control-port", "0", "--ledger-ms", "100"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => child.kill());
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line);
  throw new Error(`${localnet} ended before it said where it listens`);
}

const { rpc_url: rpcUrl, passphrase: networkPassphrase, friendbot_url: friendbotUrl } = await start();
const server = new rpc.Server(rpcUrl, { allowHttp: true });

async function account() {
  const keypair = Keypair.random();
  const funded = await fetch(`${friendbotUrl}?addr=${keypair.publicKey()}`);
  assert(funded.ok, `friendbot answers ${funded.status}`);
  return keypair;
}

/** Simulates, signs and sends one operation, and waits until it has succeeded. */
async function send(keypair, operation) {
  const source = await server.getAccount(keypair.publicKey());
  const built = new TransactionBuilder(source, { fee: "10000000", networkPassphrase });
  const transaction = await server.prepareTransaction(built.addOperation(operation).setTimeout(60).build());
  transaction.sign(keypair);
  const sent = await server.sendTransaction(transaction);
  const done = await server.pollTransaction(sent.hash, { attempts: 100, sleepStrategy: () => 100 });
  assert.equal(done.status, "SUCCESS");
}

const options = (keypair) => ({
  rpcUrl,
  networkPassphrase,
  allowHttp: true,
  publicKey: keypair.publicKey(),
  ...contract.basicNodeSigner(keypair, networkPassphrase),
});

/** What a result is to the caller, in words. */
function shape(result) {
  if (result === null || result === undefined) return "nothing";
  if (result instanceof contract.Ok) return `Ok(${shape(result.unwrap())})`;
  if (result instanceof Uint8Array) return `${result.length} bytes`;
  return `${typeof result} ${result}`;
}

/** What a call answers that the contract refuses. The SDK gives any of the contract's errors as an `Err`. */
async function refusal(call) {
  const { result } = await call();
  return result instanceof contract.Err ? "Err" : shape(result);
}

/** Opens a channel with this Wasm, goes through its life, and answers what a client sees of each call. */
async function drive(wasm, funder, recipient, token) {
  await send(funder, Operation.uploadContractWasm({ wasm }));
  const key = Keypair.random();
  const opening = await contract.Client.deploy(
    {
      token,
      from: funder.publicKey(),
      commitment_key: key.rawPublicKey(),
      to: recipient.publicKey(),
      amount: 1_000n,
      refund_waiting_period: 5,
    },
    { ...options(funder), wasmHash: hash(wasm) },
  );
  const { result: asFunder } = await opening.signAndSend();
  const asRecipient = await contract.Client.from({ ...options(recipient), contractId: asFunder.options.contractId });
  const seen = {};

  const prepared = await asFunder.prepare_commitment({ amount: 400n });
  seen.prepare_commitment = shape(prepared.result);
  const sig = key.sign(Buffer.from(prepared.result));
  seen.settle = shape((await (await asRecipient.settle({ amount: 400n, sig })).signAndSend()).result);
  seen.withdrawn = shape((await asFunder.withdrawn()).result);
  seen.top_up = shape((await (await asFunder.top_up({ amount: 100n })).signAndSend()).result);
  seen.balance = shape((await asFunder.balance()).result);
  seen.refund_waiting_period = shape((await asFunder.refund_waiting_period()).result);
  assert.equal((await asFunder.from()).result, funder.publicKey());
  assert.equal((await asFunder.to()).result, recipient.publicKey());
  assert.equal((await asFunder.token()).result, token);

  seen["prepare_commitment below 0"] = await refusal(() => asFunder.prepare_commitment({ amount: -1n }));
  seen["top_up below 0"] = await refusal(() => asFunder.top_up({ amount: -1n }));
  seen["settle below 0"] = await refusal(() => asRecipient.settle({ amount: -1n, sig }));
  seen["refund too early"] = await refusal(() => asFunder.refund());

  seen.close_start = shape((await (await asFunder.close_start()).signAndSend()).result);
  seen["close, in the wait"] = shape((await (await asRecipient.close({ amount: 400n, sig })).signAndSend()).result);
  seen["close_start after the end"] = await refusal(() => asFunder.close_start());
  seen.refund = shape((await (await asFunder.refund()).signAndSend()).result);
  return seen;
}

const [funder, recipient] = [await account(), await account()];
const token = Asset.native().contractId(networkPassphrase);

// What the reference contract answers (stellar-experimental/one-way-channel at 4b2fce5, measured with this program).
const EXPECTED = {
  prepare_commitment: "192 bytes",
  settle: "nothing",
  withdrawn: "bigint 400",
  top_up: "nothing",
  balance: "bigint 700",
  refund_waiting_period: "number 5",
  "prepare_commitment below 0": "Err",
  "top_up below 0": "Err",
  "settle below 0": "Err",
  "refund too early": "Err",
  close_start: "Ok(nothing)",
  "close, in the wait": "nothing",
  "close_start after the end": "Err",
  refund: "Ok(nothing)",
};
for (const file of wasms) {
  const seen = await drive(await readFile(file), funder, recipient, token);
  console.log(file);
  for (const [call, answer] of Object.entries(seen)) console.log(`  ${call.padEnd(28)} ${answer}`);
  assert.deepEqual(seen, EXPECTED, `${file}: other answers than the reference's`);
}
process.exit(0);
