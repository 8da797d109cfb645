/**
 * The bytes of padded base64 in its one canonical spelling, or undefined.
 * Why strict: Node's decoder stops at foreign characters, and a signature has one spelling.
 */
export function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : undefined;
}
