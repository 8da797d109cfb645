import { isCountry, isTimeZone } from './region.js';

test('E2 a country is known by its code of two capitals, and nothing else is one', () => {
  // What passes here and is none would leave quiet hours without a place, unnoticed.
  expect(['AT', 'US', 'GB', 'FR'].filter(isCountry)).toHaveLength(4);
  expect(
    ['at', 'ZZ', 'XQ', 'EU', 'UK', 'SU', 'AUT', 'austria', '12', '', ' AT', 'US-FL'].filter(isCountry),
  ).toEqual([]);
});

test('E2 a time zone is known by its IANA name: an offset knows no summer time', () => {
  expect(['Europe/Vienna', 'America/New_York', 'UTC'].filter(isTimeZone)).toHaveLength(3);
  const wrong = ['', '+02:00', 'Europe/Nowhere', 'Mars/Olympus', 'Europe/Vienna; DROP', 'a'.repeat(65)];
  expect(wrong.filter(isTimeZone)).toEqual([]);
});
