const COUNTRY = /^[A-Z]{2}$/;
/** What the runtime names beside countries: unions, parts of one, codes for tests, and the unknown. */
const NO_COUNTRIES = new Set('CP CQ DG EA EU EZ IC QO UN XA XB ZZ'.split(' '));
const TIME_ZONE = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;

/** What is said of a country that is none. */
export const COUNTRY_RULE = 'there is no such country (ISO 3166-1 alpha-2)';
/** What is said of a time zone that is none. */
export const TIME_ZONE_RULE = 'there is no such time zone (IANA name)';

/** Whether a text is the code of a country, ISO 3166-1 alpha-2. */
export function isCountry(code: string): boolean {
  if (!COUNTRY.test(code) || NO_COUNTRIES.has(code)) return false;
  // UK and codes of former countries are names of others, which nothing that is kept by country would find.
  if (new Intl.Locale(`und-${code}`).region !== code) return false;
  return new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' }).of(code) !== undefined;
}

/** Whether a text is the IANA name of a time zone that this process can reckon in. */
export function isTimeZone(name: string): boolean {
  // An offset such as +02:00 is taken by newer engines, and knows no summer time.
  if (!TIME_ZONE.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
