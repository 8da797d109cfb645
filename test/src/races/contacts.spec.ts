import { contactAt, dayPlace } from './contacts.js';

test('E2 at every hour of the year there is a place where a message may arrive', () => {
  const found = new Set<string>();
  for (let hour = 0; hour < 366 * 24; hour++) {
    const place = dayPlace(Date.UTC(2026, 0, 1) + hour * 3_600_000 + 1_800_000);
    expect(place).toBeDefined();
    found.add(place.zone);
  }
  expect(found.size).toBeGreaterThan(2);
});

test('at noon it is day here, and not at the other end of the world', () => {
  expect(dayPlace(Date.UTC(2026, 6, 1, 11)).zone).toBe('Europe/London');
  expect(dayPlace(Date.UTC(2026, 6, 1, 23)).zone).toBe('Pacific/Auckland');
});

test('every number is another one', () => {
  const place = dayPlace(0);
  expect(contactAt(place, 7)).toMatch(/^\+\d{10,13}$/);
  expect(new Set([0, 1, 10, 999_999].map((n) => contactAt(place, n))).size).toBe(4);
});
