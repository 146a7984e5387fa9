// Before anything is drawn, so that nothing flashes: the scheme that was chosen here. Without a choice the system's holds.
// A classic script, for a module would come too late.

const chosen = localStorage.getItem("silverback.theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
