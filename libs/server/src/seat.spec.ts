import { seatOf } from './seat.js';

test('a seat is one address of one network namespace; any port is none', () => {
  expect(seatOf('127.0.0.1:0')).toBeUndefined();
  const seat = seatOf('127.0.0.1:9090');
  // Only Linux names its network namespaces.
  expect(seat === undefined).toBe(process.platform !== 'linux');
  expect(seatOf('localhost:9090')).toBe(seat);
  if (seat !== undefined) {
    expect(seatOf('127.0.0.1:9091')).not.toBe(seat);
    expect(seatOf('0.0.0.0:9090')).not.toBe(seat);
  }
});
