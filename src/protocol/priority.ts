// How much a create is in a hurry, among those that wait for the same machines.

/** The order of those who wait: `high` comes first. Default `normal`. */
export type Priority = 'low' | 'normal' | 'high';

/** The last comes first. */
export const priorities: readonly Priority[] = ['low', 'normal', 'high'];

export const levelOf = (priority: Priority): number => priorities.indexOf(priority);

export const toPriority = (text: string): Priority | undefined =>
  priorities.find((priority) => priority === text);
