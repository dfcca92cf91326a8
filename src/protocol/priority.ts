// How much a create is in a hurry, among those that wait for the same machines.

/** The last comes first. */
export const priorities = ['low', 'normal', 'high'] as const;

/** One of `low`, `normal`, `high`. */
export type Priority = (typeof priorities)[number];

export const levelOf = (priority: Priority): number => priorities.indexOf(priority);

export const toPriority = (text: string): Priority | undefined =>
  priorities.find((priority) => priority === text);
