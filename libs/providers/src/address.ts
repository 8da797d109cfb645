const SCHEME = /^(?:sms|tel|mailto|whatsapp|messenger|rcs|viber|telegram):/i;
const PHONE = /^\+?[\d\s().\-/]+$/;
/** What most addresses are: nothing to be done. */
const E164 = /^\+\d{7,15}$/;
/** Shorter numbers are short codes: they have no country. */
const PHONE_DIGITS_MIN = 7;

/**
 * One spelling per address, so that one person has one hash: `+<digits>` for phone numbers, lower case for
 * email, no channel prefix (`whatsapp:`). Empty stays empty.
 */
export function normalizeAddress(address: string): string {
  if (E164.test(address)) return address;
  const bare = address.normalize('NFKC').trim().replace(SCHEME, '').trim();
  if (bare.includes('@')) return bare.toLowerCase();
  if (!PHONE.test(bare)) return bare;
  const digits = bare.replace(/\D/g, '').replace(bare.startsWith('00') ? /^00/ : /^$/, '');
  return digits.length < PHONE_DIGITS_MIN ? digits : `+${digits}`;
}
