import type { SendFacts } from './send-facts.js';
import {
  countryOf,
  isSameClock,
  placesOfCountry,
  placesOfNumber,
  placesOfZip,
  placesOfZone,
  settledZone,
  type PlaceZones,
} from './place-tables.js';

/** Where a recipient may be, and a clock they may have there. */
export interface Candidate {
  readonly place: string;
  readonly zone: string;
}

/**
 * Zones whose rules changed later than a runtime may know: there the clock of the new rule counts as well.
 * Source: tz database 2026f (summer time all year from autumn 2026 on; Morocco back to GMT), read 2026-11.
 */
const LATE_CHANGES: Readonly<Record<string, string>> = {
  'America/Vancouver': 'Etc/GMT+7',
  'America/Edmonton': 'Etc/GMT+6',
  'America/Inuvik': 'Etc/GMT+6',
  'America/Winnipeg': 'Etc/GMT+5',
  'America/Havana': 'Etc/GMT+4',
  'Africa/Casablanca': 'Etc/GMT',
  'Africa/El_Aaiun': 'Etc/GMT',
};

const WHATSAPP_NUMBER = /^\d{7,15}$/;

type Where = Pick<SendFacts, 'nowMs' | 'channel' | 'provider' | 'address' | 'contact'>;

/**
 * Every place and clock that what is known leaves open; none when nothing is known.
 * The clock is that of the contact's zone, else of the postal code, else of the number, else of the country. Where
 * these contradict each other (a French number with a US postal code) the places of both are candidates.
 */
export function candidatesOf(where: Where): readonly Candidate[] {
  const { nowMs, contact } = where;
  const places = placesOf(where);
  const zone = settledZone(contact.timeZone);
  if (zone === undefined) {
    return places.flatMap(({ place, zones }) => zones.flatMap((each) => withLateChange(place, each)));
  }
  const agreeing = places.filter(({ zones }) => zones.some((each) => isSameClock(zone, each, nowMs)));
  const possible = agreeing.length > 0 ? agreeing : [...places, ...placesOfZone(zone, nowMs)];
  return possible.flatMap(({ place }) => withLateChange(place, zone));
}

function withLateChange(place: string, zone: string): readonly Candidate[] {
  const changed = LATE_CHANGES[zone];
  return changed === undefined
    ? [{ place, zone }]
    : [
        { place, zone },
        { place, zone: changed },
      ];
}

function placesOf({ channel, provider, address, contact }: Where): readonly PlaceZones[] {
  const byNumber = placesOfNumber(numberOf(channel, provider, address));
  const byContact = placesOfContact(contact, byNumber);
  if (byNumber === undefined) return byContact ?? [];
  if (byContact === undefined) return byNumber;
  const countries = new Set(byContact.map(({ place }) => countryOf(place)));
  const common = byNumber.filter(({ place }) => countries.has(countryOf(place)));
  if (common.length === 0) return [...byNumber, ...byContact];
  return isPostal(contact, byContact) ? byContact : common;
}

const isUs = (country: string): boolean => country === 'US';

function placesOfContact(
  { country, postalCode }: SendFacts['contact'],
  byNumber: readonly PlaceZones[] | undefined,
): readonly PlaceZones[] | undefined {
  const code = country.trim().toUpperCase();
  // Five digits are a postal code of many countries: they are a US one only where something else says US.
  const mayBeUs = isUs(code) || (code === '' && byNumber?.some(({ place }) => isUs(countryOf(place))));
  return (mayBeUs ? placesOfZip(postalCode) : undefined) ?? placesOfCountry(code);
}

const isPostal = (contact: SendFacts['contact'], places: readonly PlaceZones[]): boolean =>
  places === placesOfZip(contact.postalCode);

/** The number an address is, in E.164; else an empty text. A WhatsApp ID is a number without its plus. */
function numberOf(channel: string, provider: string, address: string): string {
  if (channel !== 'sms' && channel !== 'chat') return '';
  const bare = address.replace(/^(?:whatsapp|sms|tel):/i, '').replace(/[\s().-]/g, '');
  return provider === 'whatsapp' && WHATSAPP_NUMBER.test(bare) ? `+${bare}` : bare;
}
