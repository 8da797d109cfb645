import fc from 'fast-check';

const codes = fc.oneof(fc.nat(0x7f), fc.nat(0xffff), fc.nat(0x10_ffff));
const characters = codes
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code));

/**
 * Texts of any characters.
 * Why not fast-check's own `binary`: it takes a second to set up, in every file that asks for it.
 */
export const anyText = (maxLength?: number): fc.Arbitrary<string> =>
  fc.string({ unit: characters, ...(maxLength === undefined ? {} : { maxLength }) });
