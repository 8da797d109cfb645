/** Places that between them are in the middle of their day at every hour, each with one time zone. */
const PLACES = [
  { prefix: '+447700', zone: 'Europe/London' },
  { prefix: '+65800', zone: 'Asia/Singapore' },
  { prefix: '+642100', zone: 'Pacific/Auckland' },
  { prefix: '+5491100', zone: 'America/Argentina/Buenos_Aires' },
] as const;
/** Hours at which no law and no custom minds a message. */
const [OPEN_HOUR, CLOSE_HOUR] = [10, 19];
const DIGITS = 6;

const CLOCKS = PLACES.map((place) => ({
  ...place,
  clock: new Intl.DateTimeFormat('en', { timeZone: place.zone, hour: 'numeric', hourCycle: 'h23' }),
}));

/** Where it is day now, and will be longest. @param nowMs Unix milliseconds. */
export function dayPlace(nowMs: number): { readonly prefix: string; readonly zone: string } {
  return CLOCKS.map(({ prefix, zone, clock }) => ({ prefix, zone, hour: Number(clock.format(nowMs)) }))
    .filter(({ hour }) => hour >= OPEN_HOUR && hour < CLOSE_HOUR)
    .sort((a, b) => a.hour - b.hour)[0]!;
}

/** The nth number of contacts who are awake. @param n below a million. */
export const contactAt = (place: { readonly prefix: string }, n: number): string =>
  place.prefix + String(n).padStart(DIGITS, '0');
