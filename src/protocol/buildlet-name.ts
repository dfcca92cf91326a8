// Valid names of buildlets. Names also come from other machines, and become parts of paths.

/** Letters, digits and `._-`, but not `.` or `..`, and short enough for a file name with a suffix. */
export const buildletName = /^(?!\.{1,2}$)[\w.-]{1,200}$/;
