/** Offsets change on a quarter of an hour (of UTC) only; within one they are looked up once. */
const BUCKET_MS = 900_000;
const BUCKETS_MAX = 2_048;
const NAMES_MAX = 4_096;
const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** Bucket → milliseconds east of UTC. */
  readonly offsets: Map<number, number>;
}

/** By canonical name: as many as the runtime knows zones. */
const zones = new Map<string, Zone>();
/** By the name given; undefined when there is no such zone. */
const canonicalNames = new Map<string, string | undefined>();

/** The runtime's own name for an IANA zone, undefined when it knows none. */
export function canonicalZone(name: string): string | undefined {
  if (canonicalNames.has(name)) return canonicalNames.get(name);
  if (canonicalNames.size >= NAMES_MAX) canonicalNames.clear();
  const canonical = lookUp(name);
  canonicalNames.set(name, canonical);
  return canonical;
}

function lookUp(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** Milliseconds east of UTC at a moment. The zone must be one that the runtime knows. */
export function offsetMs(name: string, atMs: number): number {
  const { format, offsets } = zoneOf(name);
  const bucket = Math.floor(atMs / BUCKET_MS);
  const known = offsets.get(bucket);
  if (known !== undefined) return known;
  if (offsets.size >= BUCKETS_MAX) offsets.clear();
  const text = format.formatToParts(bucket * BUCKET_MS).find(({ type }) => type === 'timeZoneName')?.value;
  const offset = parseOffset(text ?? '');
  offsets.set(bucket, offset);
  return offset;
}

function zoneOf(name: string): Zone {
  const canonical = canonicalZone(name);
  if (canonical === undefined) throw new Error(`no such time zone: ${name}`);
  let zone = zones.get(canonical);
  if (zone === undefined) {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: canonical, timeZoneName: 'longOffset' });
    zone = { format, offsets: new Map() };
    zones.set(canonical, zone);
  }
  return zone;
}

/** `GMT`, `GMT-03:30` → milliseconds. */
function parseOffset(text: string): number {
  const match = /^GMT(?:([+-])(\d\d):(\d\d))?/.exec(text);
  if (match === null) throw new Error(`not an offset: ${text}`);
  const [, sign, hours, minutes] = match;
  if (sign === undefined) return 0;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
}

/** What a clock on the wall shows. */
export interface WallTime {
  /** Days since 1 January 1970. */
  readonly day: number;
  /** 0 = Sunday. */
  readonly weekday: number;
  /** Since midnight. */
  readonly timeMs: number;
}

export function wallTime(zone: string, atMs: number): WallTime {
  const localMs = atMs + offsetMs(zone, atMs);
  const day = Math.floor(localMs / DAY_MS);
  return { day, weekday: weekdayOf(day), timeMs: localMs - day * DAY_MS };
}

/** 1 January 1970 was a Thursday. */
export const weekdayOf = (day: number): number => (((day + 4) % 7) + 7) % 7;

/**
 * The moment when the wall shows a time: the first one, when it is shown twice. One that is skipped gives a
 * moment at most an hour away from the gap.
 */
export function momentOf(zone: string, day: number, timeMs: number): number {
  const localMs = day * DAY_MS + timeMs;
  const [before, after] = [localMs - DAY_MS, localMs + DAY_MS].map((atMs) => localMs - offsetMs(zone, atMs));
  const shown = [before!, after!].filter((atMs) => atMs + offsetMs(zone, atMs) === localMs);
  return shown.length === 0 ? Math.max(before!, after!) : Math.min(...shown);
}
