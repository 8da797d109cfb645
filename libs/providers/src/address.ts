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

/** With a country, as everybody can dial it. Source: ITU-T E.164, at most 15 digits, no country code begins with 0. */
const INTERNATIONAL = /^\+[1-9]\d{6,14}$/;
const SAYS_COUNTRY = /^(?:\+|00)/;
const MAIL = /^[^\s@]+@[^\s@]+$/;
const ID = /^[^\s\p{C}]+$/u;

const NO_PHONE = 'must be a phone number in international form: +, country code, number';
const NO_MAIL = 'must be an email address';

/**
 * What is wrong with an address that somebody wrote down for us, in a few words for the caller; undefined: nothing.
 * Why so strict: a number without its country, or with something behind it, would be another person than the one who
 * says STOP, and be written to after it.
 * @param channel `sms`, `email`, `chat`, `push`; anything else: not known.
 * @param isBare whether digits alone are international, as some providers write them.
 */
export function addressProblem(address: string, channel: string, isBare = false): string | undefined {
  const written = address.normalize('NFKC').trim().replace(SCHEME, '').trim();
  if (written === '') return 'is empty';
  if (channel === 'email') return MAIL.test(written) ? undefined : NO_MAIL;
  if (channel === 'push') return ID.test(written) ? undefined : 'must have no blanks';
  if (channel === 'sms') return phoneProblem(written, isBare);
  // A chat has names of its own, digits among them; what looks like a phone number has to be a whole one.
  if (channel === 'chat' && /^\d+$/.test(written)) return undefined;
  if (written.includes('@')) return MAIL.test(written) ? undefined : NO_MAIL;
  if (PHONE.test(written) || SAYS_COUNTRY.test(written)) return phoneProblem(written, false);
  return ID.test(written) ? undefined : 'must be a phone number, an email address, or an ID without blanks';
}

function phoneProblem(written: string, isBare: boolean): string | undefined {
  const hasCountry = SAYS_COUNTRY.test(written) || (isBare && /^\d+$/.test(written));
  const isWhole = hasCountry && PHONE.test(written) && INTERNATIONAL.test(normalizeAddress(written));
  return isWhole ? undefined : NO_PHONE;
}
