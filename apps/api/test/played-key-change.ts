/** A change of the key of persons that has begun, for the tenant that asks; none for others. */
export const playedKeyChange = <T>(always: (answer: object) => T) => ({
  own: always({
    ...{ generation: 1, state: 'moving', moved: 12, startedAtMs: 1_760_000_000_000, completedAtMs: 0 },
    formerDestroyed: false,
  }),
  other: {
    ...{ generation: 0, state: 'none', moved: 0, startedAtMs: 0, completedAtMs: 0 },
    formerDestroyed: true,
  },
});
