const answer = await fetch("/auth/profile", { headers: { Accept: "application/json" } });
const profile = await answer.json();
document.getElementById("who").textContent = profile.user.email || profile.user.id;
