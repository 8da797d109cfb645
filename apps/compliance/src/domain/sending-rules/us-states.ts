/** A place, its zones, and the codes (area codes, postal prefixes) that stand for it, blank-separated. */
export type PlaceRow = readonly [place: string, zones: readonly string[], codes: string];

export const EASTERN = 'America/New_York';
export const CENTRAL = 'America/Chicago';
export const MOUNTAIN = 'America/Denver';
export const PACIFIC = 'America/Los_Angeles';
/** The state without summer time; the Navajo Nation within it has MOUNTAIN. */
export const ARIZONA = 'America/Phoenix';

/**
 * The zones of each state and DC, those of its smallest part included. One zone stands for all that show the
 * same time today (Detroit is EASTERN).
 * Source: 49 CFR 71; tz database 2025b. Read 2026-11.
 */
export const STATE_ZONES: Readonly<Record<string, readonly string[]>> = {
  'US-AK': ['America/Anchorage', 'America/Adak'],
  'US-AL': [CENTRAL],
  'US-AR': [CENTRAL],
  'US-AZ': [ARIZONA, MOUNTAIN],
  'US-CA': [PACIFIC],
  'US-CO': [MOUNTAIN],
  'US-CT': [EASTERN],
  'US-DC': [EASTERN],
  'US-DE': [EASTERN],
  'US-FL': [EASTERN, CENTRAL],
  'US-GA': [EASTERN],
  'US-HI': ['Pacific/Honolulu'],
  'US-IA': [CENTRAL],
  'US-ID': [MOUNTAIN, PACIFIC],
  'US-IL': [CENTRAL],
  'US-IN': [EASTERN, CENTRAL],
  'US-KS': [CENTRAL, MOUNTAIN],
  'US-KY': [EASTERN, CENTRAL],
  'US-LA': [CENTRAL],
  'US-MA': [EASTERN],
  'US-MD': [EASTERN],
  'US-ME': [EASTERN],
  'US-MI': [EASTERN, CENTRAL],
  'US-MN': [CENTRAL],
  'US-MO': [CENTRAL],
  'US-MS': [CENTRAL],
  'US-MT': [MOUNTAIN],
  'US-NC': [EASTERN],
  'US-ND': [CENTRAL, MOUNTAIN],
  'US-NE': [CENTRAL, MOUNTAIN],
  'US-NH': [EASTERN],
  'US-NJ': [EASTERN],
  'US-NM': [MOUNTAIN],
  'US-NV': [PACIFIC, MOUNTAIN],
  'US-NY': [EASTERN],
  'US-OH': [EASTERN],
  'US-OK': [CENTRAL],
  'US-OR': [PACIFIC, MOUNTAIN],
  'US-PA': [EASTERN],
  'US-RI': [EASTERN],
  'US-SC': [EASTERN],
  'US-SD': [CENTRAL, MOUNTAIN],
  'US-TN': [EASTERN, CENTRAL],
  'US-TX': [CENTRAL, MOUNTAIN],
  'US-UT': [MOUNTAIN],
  'US-VA': [EASTERN],
  'US-VT': [EASTERN],
  'US-WA': [PACIFIC],
  'US-WI': [CENTRAL],
  'US-WV': [EASTERN],
  'US-WY': [MOUNTAIN],
};
