import { invalidField } from './field-errors.js';

/** What the platform signs that it has done. */
const RECEIPT_TYPES: readonly unknown[] = ['person_erasure', 'tenant_deletion'];
const RECEIPT_BYTES_MAX = 262_144;

/**
 * The form of a receipt that is signed: RFC 8785, members sorted, no blanks. It begins with a brace, as no checkpoint
 * does: neither can be passed off as the other.
 * @throws AppError `request.invalid` for what is no receipt.
 * Source: RFC 8785, section 3.2; its numbers and strings are those of ECMAScript.
 */
export function canonicalReceipt(receiptJson: string): string {
  if (Buffer.byteLength(receiptJson) > RECEIPT_BYTES_MAX)
    throw invalidField('receipt', `at most ${RECEIPT_BYTES_MAX} bytes`);
  const receipt = parse(receiptJson);
  if (typeof receipt !== 'object' || receipt === null || Array.isArray(receipt))
    throw invalidField('receipt', 'one JSON object');
  if (!RECEIPT_TYPES.includes((receipt as { readonly type?: unknown }).type))
    throw invalidField('receipt.type', `one of ${RECEIPT_TYPES.join(', ')}`);
  return canonical(receipt);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
