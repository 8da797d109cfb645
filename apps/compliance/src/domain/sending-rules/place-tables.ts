import { AREA_CODES } from './area-codes.js';
import { CALLING_CODES } from './calling-codes.js';
import { COUNTRY_ZONES } from './country-zones.js';
import { canonicalZone, offsetMs } from './local-time.js';
import { STATE_ZONES, type PlaceRow } from './us-states.js';
import { ZIP_PREFIXES } from './zip-prefixes.js';

/** A place with the zones that its people may be in. */
export interface PlaceZones {
  /** ISO 3166: a country, or a US state (`US-FL`). */
  readonly place: string;
  readonly zones: readonly string[];
}

const words = (text: string): readonly string[] => text.split(' ');
/** A zone newer than the runtime is left out: its place has the clocks of its neighbours. */
const zonesOf = (country: string): readonly string[] =>
  words(COUNTRY_ZONES[country]!).filter((zone) => canonicalZone(zone) !== undefined);

/** The territories that have the postal codes and the federal law of the US. */
const US_TERRITORIES = ['PR', 'VI', 'GU', 'AS', 'MP'];
const FRENCH_OVERSEAS = ['GP', 'MQ', 'GF', 'RE', 'YT', 'BL', 'MF', 'PM'];
const EU_MEMBERS = words(
  'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK AX',
);

/** Place → what it lies in, for the law. */
const PARENTS = new Map<string, string>([
  ...Object.keys(STATE_ZONES).map((state) => [state, 'US'] as const),
  ...US_TERRITORIES.map((place) => [place, 'US'] as const),
  ...FRENCH_OVERSEAS.map((place) => [place, 'FR'] as const),
  ...['GG', 'JE', 'IM'].map((place) => [place, 'GB'] as const),
  ...['CC', 'CX', 'NF'].map((place) => [place, 'AU'] as const),
  ...EU_MEMBERS.map((place) => [place, 'EU'] as const),
]);

/** The place and all it lies in, the narrowest first. */
export function lawsOf(place: string): readonly string[] {
  const laws = [place];
  for (let parent = PARENTS.get(place); parent !== undefined; parent = PARENTS.get(parent)) laws.push(parent);
  return laws;
}

export const countryOf = (place: string): string => place.slice(0, 2);

/**
 * Every place of a country, by its ISO code; undefined when there is no such country.
 * The US: all states and, because people there write `US` too, Puerto Rico and the Virgin Islands.
 */
export function placesOfCountry(country: string): readonly PlaceZones[] | undefined {
  return COUNTRIES.get(country);
}

const COUNTRIES: ReadonlyMap<string, readonly PlaceZones[]> = new Map(
  Object.keys(COUNTRY_ZONES).map((country) => [
    country,
    country === 'US' ? usPlaces() : [{ place: country, zones: zonesOf(country) }],
  ]),
);

function usPlaces(): readonly PlaceZones[] {
  const states = Object.entries(STATE_ZONES).map(([place, zones]) => ({ place, zones }));
  return [...states, ...['PR', 'VI'].map((place) => ({ place, zones: zonesOf(place) }))];
}

export const isKnownPlace = (place: string): boolean =>
  Object.hasOwn(COUNTRY_ZONES, place) || Object.hasOwn(STATE_ZONES, place) || place === 'EU';

const AREAS = byCode(AREA_CODES, words);
const ZIPS = byCode(ZIP_PREFIXES, (text) => words(text).flatMap(prefixesOf));

function byCode(
  rows: readonly PlaceRow[],
  codesOf: (text: string) => readonly string[],
): ReadonlyMap<string, readonly PlaceZones[]> {
  const places = new Map<string, PlaceZones[]>();
  for (const [place, zones, codes] of rows) {
    for (const code of codesOf(codes)) places.set(code, [...(places.get(code) ?? []), { place, zones }]);
  }
  return places;
}

/** `320-323` → its four prefixes. */
function prefixesOf(range: string): readonly string[] {
  const [from, to] = range.split('-');
  const length = Number(to ?? from) - Number(from) + 1;
  return Array.from({ length }, (_, index) => String(Number(from) + index).padStart(3, '0'));
}

const ZIP = /^(\d{3})\d{2}(?:-?\d{4})?$/;

/** The places of a US postal code, five digits or nine; undefined when it tells none. */
export function placesOfZip(zip: string): readonly PlaceZones[] | undefined {
  const prefix = ZIP.exec(zip.trim())?.[1];
  return prefix === undefined ? undefined : ZIPS.get(prefix);
}

const NUMBER = /^\+(\d{7,15})$/;
const NORTH_AMERICA = '1';
const PREFIX_LENGTHS = [...new Set(Object.keys(CALLING_CODES).map(({ length }) => length))].sort(
  (a, b) => b - a,
);

/** The places of an E.164 number; undefined when it tells none. */
export function placesOfNumber(number: string): readonly PlaceZones[] | undefined {
  const digits = NUMBER.exec(number)?.[1];
  if (digits === undefined) return undefined;
  if (digits.startsWith(NORTH_AMERICA)) return AREAS.get(digits.slice(1, 4));
  const countries = PREFIX_LENGTHS.map((length) => CALLING_CODES[digits.slice(0, length)]).find(Boolean);
  return countries === undefined
    ? undefined
    : words(countries).flatMap((code) => placesOfCountry(code) ?? []);
}

/** Zone, by the runtime's own name → its countries. */
const ZONE_COUNTRIES: ReadonlyMap<string, readonly string[]> = zoneCountries();

function zoneCountries(): ReadonlyMap<string, readonly string[]> {
  const countries = new Map<string, string[]>();
  for (const country of Object.keys(COUNTRY_ZONES)) {
    for (const zone of zonesOf(country)) {
      const canonical = canonicalZone(zone)!;
      countries.set(canonical, [...(countries.get(canonical) ?? []), country]);
    }
  }
  return countries;
}

/** The runtime's name for a zone that lies in a country: `UTC` or `Etc/GMT+5` say nothing about where a person is. */
export function settledZone(name: string): string | undefined {
  const canonical = name === '' ? undefined : canonicalZone(name);
  return canonical !== undefined && ZONE_COUNTRIES.has(canonical) ? canonical : undefined;
}

/** The places in a settled zone. */
export function placesOfZone(zone: string, atMs: number): readonly PlaceZones[] {
  const places = (ZONE_COUNTRIES.get(zone) ?? []).flatMap((country) => placesOfCountry(country) ?? []);
  return places.filter(({ zones }) => zones.some((other) => isSameClock(zone, other, atMs)));
}

/** Whether two zones show the same time in winter and in summer of a moment's year. */
export function isSameClock(a: string, b: string, atMs: number): boolean {
  const year = new Date(atMs).getUTCFullYear();
  return [0, 6].every((month) => {
    const dayMs = Date.UTC(year, month, 15);
    return offsetMs(a, dayMs) === offsetMs(b, dayMs);
  });
}
