// The public form of IDs, written again from its description: a prefix, then 128 bits in Crockford's base 32.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TEXT_LENGTH = 26;

/** `fct_…` for a UUID in Postgres' form. */
export function idOf(prefix: string, uuid: string): string {
  let value = BigInt(`0x${uuid.replaceAll('-', '')}`);
  let text = '';
  for (let at = 0; at < TEXT_LENGTH; at++) {
    text = ALPHABET[Number(value & 31n)]! + text;
    value >>= 5n;
  }
  return `${prefix}_${text}`;
}

/** The UUID, in Postgres' form, of a public ID; undefined when it is none. */
export function uuidOf(id: string): string | undefined {
  const text = id.slice(id.indexOf('_') + 1);
  if (text.length !== TEXT_LENGTH) return undefined;
  let value = 0n;
  for (const char of text) {
    const digit = ALPHABET.indexOf(char);
    if (digit < 0) return undefined;
    value = (value << 5n) | BigInt(digit);
  }
  if (value >= 1n << 128n) return undefined;
  return uuidText(value.toString(16).padStart(32, '0'));
}

/** A UUID as Postgres writes it, from bytes or hex digits. */
export function uuidText(from: Uint8Array | string): string {
  const hex = typeof from === 'string' ? from : Buffer.from(from).toString('hex');
  if (hex.length !== 32) return '';
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
