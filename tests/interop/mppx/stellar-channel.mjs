// This is the method `stellar` with the intent `channel`. It was written from the description of the wire and of the
// commitment's bytes, and uses none of Paychan's code.
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { Method } from "mppx";
import { z } from "zod/mini";

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The 32 bytes of a contract's address (SEP-23): a version byte before them, a checksum of two behind. */
function contractBytes(address) {
  let bits = "";
  for (const letter of address) bits += base32.indexOf(letter).toString(2).padStart(5, "0");
  const bytes = bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2));
  return Buffer.from(bytes.slice(1, 33));
}

const u32 = (number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
};

/** XDR of a symbol: type 15, length, bytes padded to four. */
const symbol = (text) => Buffer.concat([u32(15), u32(text.length), Buffer.from(text), Buffer.alloc((4 - (text.length % 4)) % 4)]);

/** XDR of a 128-bit integer: type 10, the upper and the lower half. */
function i128(amount) {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64BE(amount >> 64n, 0);
  bytes.writeBigUInt64BE(amount & 0xffffffffffffffffn, 8);
  return Buffer.concat([u32(10), bytes]);
}

/** The bytes that a commitment's signature is over: a map of amount, channel, domain and network. */
export function commitment({ amount, channel, passphrase }) {
  const network = createHash("sha256").update(passphrase).digest();
  return Buffer.concat([
    u32(17), u32(1), u32(4),
    symbol("amount"), i128(BigInt(amount)),
    symbol("channel"), u32(18), u32(1), contractBytes(channel),
    symbol("domain"), symbol("chancmmt"),
    symbol("network"), u32(13), u32(32), network,
  ]);
}

/** A private key from its seed of 64 hexadecimal digits. */
export function privateKey(seed) {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(seed, "hex")]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

/** A public key from its 64 hexadecimal digits. */
export function publicKey(hex) {
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(hex, "hex")]);
  return createPublicKey({ key: der, format: "der", type: "spki" });
}

export const signCommitment = (terms, key) => sign(null, commitment(terms), key).toString("hex");
export const verifyCommitment = (terms, key, signature) => verify(null, commitment(terms), key, Buffer.from(signature, "hex"));

export const channelMethod = Method.from({
  name: "stellar",
  intent: "channel",
  schema: {
    credential: {
      payload: z.object({ action: z.enum(["voucher", "close"]), amount: z.string(), signature: z.string() }),
    },
    request: z.object({
      amount: z.string(),
      channel: z.string(),
      methodDetails: z.optional(
        z.object({ reference: z.optional(z.string()), network: z.optional(z.string()), cumulativeAmount: z.optional(z.string()) }),
      ),
    }),
  },
});
