/** Stand for the paths of a run in a recording. */
export const FOLDER = "{the run's folder}";
export const STATE = "{the run's state}";
